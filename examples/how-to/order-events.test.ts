// #region setup
import { randomUUID } from 'node:crypto'
import { createMessaging, type Messaging } from '@corebus/core'
import { afterEach, expect, test, vi } from 'vitest'
import { UserCreated } from './events.ts'
import { OrderEvents, type Orders } from './order-events.ts'
import { nextSettlement } from './settlement.ts'

let messaging: Messaging
afterEach(() => messaging.close())

async function startWith(orders: Orders): Promise<void> {
  messaging = createMessaging({
    broker: 'memory',
    url: `memory://${randomUUID()}`,
    service: 'orders-api',
    handlers: [OrderEvents],
    resolve: (Class) => new Class(...([orders] as never[])),
    env: { LOG_LEVEL: 'silent' },
  })
  await messaging.start()
}
// #endregion setup

// #region effect
test('a new user gets a welcome order, also when the event comes twice', async () => {
  const welcomed = new Set<number>()
  await startWith({ addWelcome: async (userId) => void welcomed.add(userId) })
  for (let i = 0; i < 2; i++) {
    const settled = nextSettlement()
    await messaging.publishEvent(UserCreated, { id: 1, email: 'ana@example.com' })
    expect(await settled).toMatchObject({ settlement: 'ack', event: 'user.created', attempt: 1 })
  }
  expect([...welcomed]).toEqual([1])
})
// #endregion effect

// #region failure
test('a welcome order that fails is tried again 2 s later', async () => {
  await startWith({ addWelcome: () => Promise.reject(new Error('the database is away')) })
  const settled = nextSettlement()
  await messaging.publishEvent(UserCreated, { id: 1, email: 'ana@example.com' })
  expect(await settled).toMatchObject({ settlement: 'retry', afterMs: 2_000, attempt: 1 })
})

test('an event that does not fit its schema goes to the dead letters', async () => {
  await startWith({ addWelcome: async () => undefined })
  const settled = nextSettlement()
  await messaging.publishEvent('user.created', { id: 'one' }, { topic: 'user-events' })
  expect(await settled).toMatchObject({ settlement: 'deadLetter', reason: 'schema' })
})
// #endregion failure

// #region time
test('a welcome order that failed is made 2 s later, and nobody waits for that', async () => {
  vi.useFakeTimers()
  let calls = 0
  await startWith({
    async addWelcome() {
      if (++calls === 1) throw new Error('the database is away')
    },
  })
  const failed = nextSettlement()
  await messaging.publishEvent(UserCreated, { id: 1, email: 'ana@example.com' })
  expect(await failed).toMatchObject({ settlement: 'retry', afterMs: 2_000 })
  const settled = nextSettlement()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(await settled).toMatchObject({ settlement: 'ack', attempt: 2 })
  vi.useRealTimers()
})
// #endregion time
