import { randomUUID } from 'node:crypto'
import { configureMessaging } from '@corebus/core'
import { mount } from '@corebus/hono'
import { Hono } from 'hono'
import { expect, test, vi } from 'vitest'
import { Users } from './front-door-decorators.ts'

test('a decorated route is answered, and a decorated class handles what it returned', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  const messaging = configureMessaging({
    broker: 'memory',
    url: `memory://${randomUUID()}`,
    service: 'users',
    env: { LOG_LEVEL: 'silent' },
  })
  const app = new Hono()
  mount(app, '/users', Users)
  await messaging.start()
  const response = await app.request('/users/register', { method: 'POST' })
  expect([response.status, await response.json()]).toEqual([201, { id: 1, email: 'ana@example.com' }])
  await expect.poll(() => log.mock.calls).toEqual([['welcome, ana@example.com']])
  await messaging.close()
  log.mockRestore()
})
