import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createMessaging, type Messaging } from '@corebus/core'
import { afterEach, expect, test } from 'vitest'
import { OrderShipped, UserCreated } from './events.ts'
import { ship, shipAndForget } from './publishing.ts'

const NOON = Date.UTC(2026, 1, 1, 12)
const instances: Messaging[] = []
afterEach(() => Promise.all(instances.splice(0).map((messaging) => messaging.close())))

function users(env: Record<string, string> = {}): Messaging {
  const messaging = createMessaging({
    broker: 'memory',
    url: `memory://${randomUUID()}`,
    service: 'users-api',
    env: { LOG_LEVEL: 'silent', ...env },
    clock: {
      now: () => NOON,
      after: (ms, fn) =>
        (
          (timer) => () =>
            clearTimeout(timer)
        )(setTimeout(fn, ms)),
    },
  })
  instances.push(messaging)
  return messaging
}

test('the body of an event is the page of the wire format', async () => {
  const messaging = users()
  const body = new Promise<string>((resolve) => messaging.handle({ topic: 'user-events', decode: 'text' }, resolve))
  await messaging.start()
  await messaging.publishEvent(UserCreated, { id: 1, email: 'ana@example.com' })
  const page = JSON.parse(readFileSync(new URL('user-created.json', import.meta.url), 'utf8'))
  expect(JSON.parse(await body)).toEqual(page)
  expect(Object.keys(JSON.parse(await body))).toEqual(Object.keys(page))
})

test('a confirmed and a recorded event reach the handler with their dates', async () => {
  const messaging = users()
  const seen: unknown[] = []
  const both = new Promise<void>((resolve) => {
    messaging.on(OrderShipped, { group: 'g' }, ({ data }, { id }) => {
      seen.push([data.order_id, data.at instanceof Date, id.startsWith('shipped-')])
      if (seen.length === 2) resolve()
    })
  })
  await messaging.start()
  expect(await ship(messaging, 1)).toEqual({ status: 200 })
  shipAndForget(messaging, 2)
  await both
  expect(seen).toEqual([
    [1, true, true],
    [2, true, false],
  ])
})

test('a publish that is not confirmed is answered with 503', async () => {
  const messaging = users()
  await messaging.close()
  expect(await ship(messaging, 1)).toEqual({ status: 503 })
})
