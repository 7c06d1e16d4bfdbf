import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { configureMessaging, emit, on } from '../default.ts'
import { defineEvent } from '../wire/event-type.ts'
import { testApp } from './index.ts'

const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.email() }), { topic: 'user-events', key: 'id' })
const OrderCreated = defineEvent('order.created', z.object({ user_id: z.number() }), { topic: 'order-events' })
const ana = { id: 1, email: 'ana@example.com' }

const messaging = configureMessaging({ broker: 'kafka', url: 'nowhere:9092', service: 'shop', maxRetries: 5, retryDelayMs: 1_800_000 })
let failures = 0
on(UserCreated, { group: 'orders' }, function order({ data }) {
  if (failures-- > 0) throw new Error('the database is away')
  emit(OrderCreated, { user_id: data.id })
})
messaging.on(OrderCreated, { group: 'mails' }, function mail() {})

afterEach(() => {
  failures = 0
})

test('a cascade is settled, retries of half an hour included', async () => {
  const app = await testApp()
  failures = 5
  const began = app.clock.now()
  await app.publish(UserCreated, ana)
  await app.settled()
  expect(app.published(OrderCreated)).toMatchObject([{ data: { user_id: 1 }, topic: 'order-events' }])
  expect(app.handled(UserCreated, { group: 'orders' })).toMatchObject([{ data: ana, attempt: 6 }])
  expect(app.handled(OrderCreated)).toMatchObject([{ group: 'mails' }])
  expect(app.retries(UserCreated).map(({ attempt, afterMs, error }) => [attempt, afterMs, error.message])).toEqual(
    [1, 2, 3, 4, 5].map((attempt) => [attempt, 1_800_000, 'the database is away']),
  )
  expect(app.clock.now() - began).toBe(5 * 1_800_000)
  await app.close()
})

test('what has failed too often is a dead letter with its error, which can be handed back', async () => {
  await using app = await testApp()
  failures = 6
  await app.publish(UserCreated, ana)
  await app.settled()
  expect(app.deadLetters()).toMatchObject([
    { group: 'orders', attempts: 6, reason: 'failed', error: { message: 'the database is away' }, data: ana },
  ])
  expect(await app.redrive()).toBe(1)
  await app.settled()
  expect(app.deadLetters()).toEqual([])
  expect(app.handled(UserCreated)).toHaveLength(1)
})

test('time is let pass in parts', async () => {
  await using app = await testApp({ now: Date.UTC(2026, 0, 1) })
  failures = 1
  await app.publish(UserCreated, ana)
  await app.advance('29m')
  expect(app.handled(UserCreated)).toEqual([])
  await app.advance('1m')
  expect(app.handled(UserCreated)).toMatchObject([{ attempt: 2, at: Date.UTC(2026, 0, 1, 0, 30) }])
})
