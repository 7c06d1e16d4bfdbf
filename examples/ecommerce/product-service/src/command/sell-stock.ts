import { messaging } from '../messaging.ts'
import { Contradiction } from './domain/reservation.ts'
import { findReservation, saveReservation } from './repository/reservations.ts'

export interface SellStock {
  readonly orderId: number
}

/** @throws Contradiction for what is not reserved */
export async function sellStock({ orderId }: SellStock): Promise<void> {
  await messaging.session(async (db) => {
    const reservation = await findReservation(db, orderId)
    if (!reservation) throw new Contradiction(`order ${orderId} is paid, and nothing was ever reserved for it`)
    reservation.sell(new Date().toISOString())
    await saveReservation(db, reservation)
  })
}
