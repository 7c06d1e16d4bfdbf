import type { Messaging } from '@corebus/core'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { freshMessaging } from './fixtures/broker.ts'
import { health } from './health.ts'

const asked = async (app: Hono<never, never>, path: string) => {
  const response = await app.request(path)
  return {
    status: response.status,
    cache: response.headers.get('cache-control'),
    body: (await response.json()) as ReturnType<Messaging['health']>,
  }
}

test('/livez and /readyz say how each subscription does, and are never kept by anybody', async () => {
  const messaging = freshMessaging()
  messaging.handle({ topic: 'orders', group: 'billing' }, () => {})
  messaging.handle({ topic: 'orders', group: 'mails' }, () => {})
  const app = new Hono().route('/', health(messaging)) as never
  expect(await asked(app, '/livez')).toMatchObject({ status: 200, cache: 'no-store', body: { live: true } })
  await messaging.start()
  const { status, body } = await asked(app, '/readyz')
  expect([status, body.groups.map(({ group, state }) => [group, state]).sort()]).toEqual([
    200,
    [
      ['billing', 'consuming'],
      ['mails', 'consuming'],
    ],
  ])
})

test('an instance that is closed is live, and not ready', async () => {
  const messaging = freshMessaging()
  const app = new Hono().route('/status', health(messaging)) as never
  expect(await asked(app, '/status/readyz')).toMatchObject({ status: 200 })
  await messaging.close()
  expect((await asked(app, '/status/livez')).status).toBe(200)
  expect(await asked(app, '/status/readyz')).toMatchObject({ status: 503, body: { ready: false, reasons: [expect.any(String)] } })
})
