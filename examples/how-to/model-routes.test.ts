import { afterAll, expect, test, vi } from 'vitest'
import { UserCreated } from './events.ts'

vi.stubEnv('LOG_LEVEL', 'silent')
const { app, client, messaging, nicknameOf } = await import('./model-routes.ts')
afterAll(() => messaging.close())

test('the routes of a table and a plain one answer and publish, and their client knows them', async () => {
  const seen: string[] = []
  messaging.on(UserCreated, { group: 'seen' }, ({ data }) => void seen.push(data.email))
  await messaging.start()
  expect(await nicknameOf('ana@example.com')).toBe('ana')
  await expect(nicknameOf('ana@example.com')).rejects.toThrow('there is one already')
  const imported = await client.import.$post({ json: [{ email: 'rui@example.com' }, { email: 'eva@example.com' }] })
  expect([imported.status, await imported.json()]).toEqual([201, { imported: 2 }])
  await expect.poll(() => seen.toSorted()).toEqual(['ana@example.com', 'eva@example.com', 'rui@example.com'])

  const list = await client.users.$get({ query: { sort: '-email', limit: '2' } })
  expect(list.status === 200 && (await list.json()).items.map(({ email }) => email)).toEqual(['rui@example.com', 'eva@example.com'])
  expect((await app.request('/users/1', { method: 'DELETE' })).status).toBe(204)
})

test('an import that has one address twice is taken back, and publishes nothing', async () => {
  const { published } = messaging.counters
  const told = vi.spyOn(console, 'error').mockReturnValue() // Hono's own word about what a route threw
  expect((await client.import.$post({ json: [{ email: 'a@example.com' }, { email: 'a@example.com' }] })).status).toBe(500)
  expect(told).toHaveBeenCalledOnce()
  const list = await client.users.$get()
  expect(list.status === 200 && (await list.json()).items).toHaveLength(2)
  expect(messaging.counters.published).toBe(published)
})
