import { messaging } from '../messaging.ts'
import { Reservation } from './domain/reservation.ts'
import { productUpdated } from './event/product-events.ts'
import { findProducts, saveProduct } from './repository/products.ts'
import { findReservation, insertReservation, saveReservation } from './repository/reservations.ts'

export interface ReleaseStock {
  readonly orderId: number
}

/** @throws Contradiction for what is sold */
export async function releaseStock({ orderId }: ReleaseStock): Promise<void> {
  await messaging.session(async (db) => {
    const at = new Date().toISOString()
    const reservation = await findReservation(db, orderId)
    if (!reservation) return insertReservation(db, Reservation.forCanceled(orderId, at))
    const before = reservation.status
    const products =
      before === 'reserved'
        ? await findProducts(
            db,
            reservation.items.map(({ productId }) => productId),
          )
        : new Map()
    reservation.release(products, at)
    if (reservation.status === before) return
    await saveReservation(db, reservation)
    for (const product of products.values()) {
      await saveProduct(db, product)
      productUpdated(product)
    }
  })
}
