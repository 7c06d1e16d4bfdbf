import { Refused, until } from '@ecommerce/platform'
import { messaging } from '../messaging.ts'
import { Order, type OrderItem } from './domain/order.ts'
import { orderCreated } from './event/order-events.ts'
import { expiryBegins } from './event/order-expiry.ts'
import { isCustomer } from './repository/customers.ts'
import { insertOrder } from './repository/orders.ts'

/** The longest that a user who was just created may take to be known here. */
const LONGEST_WAIT_MS = 2_000

export interface PlaceOrder {
  readonly id: number
  readonly userId: number
  readonly items: readonly OrderItem[]
}

/** @throws Refused unknown_user */
export async function placeOrder({ id, userId, items }: PlaceOrder): Promise<void> {
  if (!(await until(() => isCustomer(userId), LONGEST_WAIT_MS)))
    throw new Refused('unknown_user', `there is no user ${userId}, or not yet`, { path: ['user_id'] })
  const order = Order.place({ id, userId, items, at: new Date().toISOString() })
  await messaging.session(async (db) => {
    await insertOrder(db, order)
    orderCreated(order)
    expiryBegins(order)
  })
}
