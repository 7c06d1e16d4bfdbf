// #region test
import { testApp } from '@corebus/core/testing'
import './messaging.ts'
import { expect, test, vi } from 'vitest'
import { UserCreated } from './orders.ts'

test('an order that failed is tried again a minute later, and nobody waits for that', async () => {
  const app = await testApp()
  await app.publish(UserCreated, { id: 7 })
  await app.settled()
  expect(app.retries(UserCreated)).toMatchObject([{ afterMs: 60_000, error: { message: 'not yet' } }])
  expect(app.handled(UserCreated)).toMatchObject([{ handler: 'Orders.welcome', attempt: 2, data: { id: 7 } }])
  await app.close()
})
// #endregion test

test('the next app begins anew, also beside the fake timers of the runner', async () => {
  vi.useFakeTimers()
  const app = await testApp()
  await app.publish(UserCreated, { id: 8 })
  await app.advance('59s')
  expect(app.handled(UserCreated)).toHaveLength(0)
  await app.advance('1s')
  expect(app.handled(UserCreated)).toHaveLength(1)
  expect(app.published()).toHaveLength(1)
  await app.close()
  vi.useRealTimers()
})
