import { messaging } from '../messaging.ts'
import { expiryEnds } from './event/order-expiry.ts'
import { findOrder, saveOrder } from './repository/orders.ts'

export interface GiveUpOrder {
  readonly id: number
  readonly at: string
}

/** Product-service could not reserve it, and has told everybody: nothing is left to be said here. @throws Contradiction */
export async function giveUpOrder({ id, at }: GiveUpOrder): Promise<void> {
  await messaging.session(async (db) => {
    const order = await findOrder(db, id)
    order.runOut(at)
    await saveOrder(db, order)
    await expiryEnds(order)
  })
}
