// #region class
import { testApp } from '@corebus/core/testing'
import { expect, test } from 'vitest'
import { UserCreated } from './events.ts'
import { OrderEvents, type Orders } from './order-events.ts'

const startWith = (orders: Orders) => testApp({ handlers: [OrderEvents], service: 'orders-api', resolve: (Class) => new Class(orders) })

test('a new user gets one welcome order, also when the event comes twice', async () => {
  const welcomed = new Set<number>()
  await using app = await startWith({ addWelcome: async (userId) => void welcomed.add(userId) })
  for (let i = 0; i < 2; i++) await app.publish(UserCreated, { id: 1, email: 'ana@example.com' }, { id: 'the same' })
  await app.settled()
  expect(app.handled(UserCreated)).toHaveLength(2)
  expect([...welcomed]).toEqual([1])
})
// #endregion class
