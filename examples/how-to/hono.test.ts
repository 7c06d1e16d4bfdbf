import { afterAll, expect, test, vi } from 'vitest'
import { UserCreated } from './events.ts'
import { users } from './users.ts'

vi.stubEnv('LOG_LEVEL', 'silent')
const { app, messaging } = await import('./hono.ts')
afterAll(() => messaging.close())

const post = (path: string, body: object) =>
  app.request(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

test('actions and plain routes answer, commit and publish; what fails does none of it', async () => {
  const seen: string[] = []
  messaging.on(UserCreated, { group: 'seen' }, ({ data }) => void seen.push(data.email))
  await messaging.start()

  const registered = await post('/users/register', { email: 'ana@example.com', password: 'a long secret' })
  expect([registered.status, await registered.json()]).toEqual([201, { id: 1, email: 'ana@example.com' }])
  expect((await post('/import', { email: 'rui@example.com' })).status).toBe(200)
  expect((await post('/users/register', { email: 'no address', password: 'a long secret' })).status).toBe(422)
  const told = vi.spyOn(console, 'error').mockReturnValue() // Hono's own word about what a route threw
  expect((await post('/import', { email: 'rui@example.com' })).status).toBe(500)
  expect(told).toHaveBeenCalledOnce()

  await expect.poll(() => messaging.counters.handled).toBe(2)
  expect(seen).toEqual(['ana@example.com', 'rui@example.com'])
  expect(users.rows).toEqual(seen)
})
