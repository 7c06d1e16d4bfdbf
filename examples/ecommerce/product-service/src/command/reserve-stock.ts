import { messaging } from '../messaging.ts'
import { type Item, Reservation } from './domain/reservation.ts'
import { productUpdated } from './event/product-events.ts'
import { reservationMade } from './event/reservation-events.ts'
import { findProducts, saveProduct } from './repository/products.ts'
import { findReservation, insertReservation } from './repository/reservations.ts'

export interface ReserveStock {
  readonly orderId: number
  readonly items: readonly Item[]
}

/** Reserves the stock for an order. Nothing happens for one that is known here already: it comes again, or was canceled before it came. */
export async function reserveStock({ orderId, items }: ReserveStock): Promise<void> {
  await messaging.session(async (db) => {
    if (await findReservation(db, orderId)) return
    const ids = items.map(({ productId }) => productId)
    const products = await findProducts(db, ids)
    const reservation = Reservation.of({ orderId, items, at: new Date().toISOString() }, products)
    await insertReservation(db, reservation)
    reservationMade(reservation, products)
    if (reservation.status !== 'reserved') return
    for (const product of products.values()) {
      await saveProduct(db, product)
      productUpdated(product)
    }
  })
}
