import { messaging } from '../messaging.ts'
import { orderCanceled } from './event/order-events.ts'
import { expiryEnds } from './event/order-expiry.ts'
import { findOrder, saveOrder } from './repository/orders.ts'

export interface CancelOrder {
  readonly id: number
}

/** @throws Refused not_found, already_paid, already_canceled */
export async function cancelOrder({ id }: CancelOrder): Promise<void> {
  await messaging.session(async (db) => {
    const order = await findOrder(db, id)
    order.cancel(new Date().toISOString())
    await saveOrder(db, order)
    await expiryEnds(order)
    orderCanceled(order)
  })
}
