import { forUpdate } from '@ecommerce/platform'
import type { Db } from '../../messaging.ts'
import { Reservation } from '../domain/reservation.ts'

/** Held until the commit. */
export async function findReservation(db: Db, orderId: number): Promise<Reservation | undefined> {
  const row = await forUpdate(db, db.selectFrom('reservations').selectAll().where('order_id', '=', orderId)).executeTakeFirst()
  if (!row) return undefined
  const items = await db.selectFrom('reserved_products').select(['product_id', 'quantity']).where('order_id', '=', orderId).execute()
  return new Reservation({
    orderId,
    items: items.map(({ product_id, quantity }) => ({ productId: Number(product_id), quantity })),
    status: row.status,
    at: row.updated_at,
  })
}

/** Two handlers may find none for one order and both insert: the second fails by the key, and is retried. */
export async function insertReservation(db: Db, { orderId, items, status, updatedAt }: Reservation): Promise<void> {
  await db.insertInto('reservations').values({ order_id: orderId, status, updated_at: updatedAt }).execute()
  if (items.length === 0) return
  const rows = items.map(({ productId, quantity }) => ({ order_id: orderId, product_id: productId, quantity }))
  await db.insertInto('reserved_products').values(rows).execute()
}

export async function saveReservation(db: Db, { orderId, status, updatedAt }: Reservation): Promise<void> {
  await db.updateTable('reservations').set({ status, updated_at: updatedAt }).where('order_id', '=', orderId).execute()
}
