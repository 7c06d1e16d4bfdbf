import { messaging } from '../messaging.ts'
import type { Reserved } from './domain/order.ts'
import { findOrder, saveOrder, savePrices } from './repository/orders.ts'

export interface ConfirmReservation extends Reserved {
  readonly id: number
}

export async function confirmReservation({ id, ...reserved }: ConfirmReservation): Promise<void> {
  await messaging.session(async (db) => {
    const order = await findOrder(db, id)
    order.reserve(reserved)
    await saveOrder(db, order)
    await savePrices(db, order)
  })
}
