import { randomUUID } from 'node:crypto'
import { configureMessaging } from '@corebus/core'
import { expect, test, vi } from 'vitest'

test('a route is answered, and a function handles what it emitted', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  const messaging = configureMessaging({
    broker: 'memory',
    url: `memory://${randomUUID()}`,
    service: 'users',
    env: { LOG_LEVEL: 'silent' },
  })
  const { app } = await import('./front-door-functions.ts')
  await messaging.start()
  const response = await app.request('/users/register', { method: 'POST' })
  expect([response.status, await response.json()]).toEqual([201, { id: 1, email: 'ana@example.com' }])
  await expect.poll(() => log.mock.calls).toEqual([['welcome, ana@example.com']])
  await messaging.close()
  log.mockRestore()
})
