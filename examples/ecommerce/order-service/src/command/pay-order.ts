import { until } from '@ecommerce/platform'
import { messaging } from '../messaging.ts'
import { statusOf } from '../query/orders.ts'
import { orderPaid } from './event/order-events.ts'
import { expiryEnds } from './event/order-expiry.ts'
import { findOrder, saveOrder } from './repository/orders.ts'

/** The longest that the reservation of an order that was just placed may take. */
const LONGEST_WAIT_MS = 2_000

export interface PayOrder {
  readonly id: number
}

/** @throws Refused not_found, not_reserved, already_paid, already_canceled */
export async function payOrder({ id }: PayOrder): Promise<void> {
  // Outside of the transaction: the reservation is written by another one.
  await until(async () => (await statusOf(id)) !== 'PENDING', LONGEST_WAIT_MS)
  await messaging.session(async (db) => {
    const order = await findOrder(db, id)
    order.pay(new Date().toISOString())
    await saveOrder(db, order)
    await expiryEnds(order)
    orderPaid(order)
  })
}
