// #region test
import { createMessaging } from '@corebus/core'
import { afterEach, expect, jest, test } from '@jest/globals'
import { Orders, UserCreated } from './orders'

afterEach(() => jest.useRealTimers())

async function startWith(orders: Orders) {
  const messaging = createMessaging({
    broker: 'memory',
    url: `memory://${Math.random()}`,
    service: 'shop',
    handlers: [Orders],
    resolve: () => orders as never,
    env: { LOG_LEVEL: 'silent' },
  })
  await messaging.start()
  return messaging
}

test('an order that failed is tried again a minute later, and nobody waits for that', async () => {
  jest.useFakeTimers()
  const orders = new Orders()
  const messaging = await startWith(orders)
  await messaging.publishEvent(UserCreated, { id: 7 })
  while (messaging.counters.retried < 1) await jest.advanceTimersByTimeAsync(0)
  await jest.advanceTimersByTimeAsync(60_000)
  while (messaging.counters.handled < 1) await jest.advanceTimersByTimeAsync(0)
  expect(orders.welcomed).toEqual([7])
  jest.useRealTimers()
  await messaging.publishEvent(UserCreated, { id: 8 })
  while (messaging.counters.retried < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  await messaging.close()
})
// #endregion test

test('modules that are evaluated again do not double the handlers of an instance that lists its own', async () => {
  jest.resetModules()
  const again = (await import('./orders')) as typeof import('./orders')
  jest.useFakeTimers()
  const orders = new again.Orders()
  const { createMessaging: create } = await import('@corebus/core')
  const messaging = create({
    broker: 'memory',
    url: `memory://${Math.random()}`,
    service: 'shop',
    handlers: [again.Orders],
    resolve: () => orders as never,
    env: { LOG_LEVEL: 'silent' },
  })
  await messaging.start()
  await messaging.publishEvent(again.UserCreated, { id: 9 })
  while (messaging.counters.retried < 1) await jest.advanceTimersByTimeAsync(0)
  await jest.advanceTimersByTimeAsync(60_000)
  while (messaging.counters.handled < 1) await jest.advanceTimersByTimeAsync(0)
  expect(orders.welcomed).toEqual([9])
  await messaging.close()
})
