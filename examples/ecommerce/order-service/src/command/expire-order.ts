import { messaging } from '../messaging.ts'
import { orderCanceled } from './event/order-events.ts'
import { findOrder, saveOrder } from './repository/orders.ts'

export interface ExpireOrder {
  readonly id: number
}

/** Cancels an order whose time is over. Nothing becomes of one that is paid or canceled. */
export async function expireOrder({ id }: ExpireOrder): Promise<void> {
  await messaging.session(async (db) => {
    const order = await findOrder(db, id)
    if (!order.expire(new Date().toISOString())) return
    await saveOrder(db, order)
    orderCanceled(order)
  })
}
