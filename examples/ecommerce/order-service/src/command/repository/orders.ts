import { forUpdate, Refused } from '@ecommerce/platform'
import type { Db } from '../../messaging.ts'
import { Order } from '../domain/order.ts'

/** Held until the commit. @throws Refused not_found */
export async function findOrder(db: Db, id: number): Promise<Order> {
  const row = await forUpdate(db, db.selectFrom('orders').selectAll().where('id', '=', id)).executeTakeFirst()
  if (!row) throw new Refused('not_found', `there is no order ${id}`)
  const items = await db.selectFrom('order_products').selectAll().where('order_id', '=', id).orderBy('product_id').execute()
  return new Order({
    id,
    userId: Number(row.user_id),
    items: items.map(({ product_id, quantity, price }) => ({ productId: Number(product_id), quantity, price: numberOf(price) })),
    status: row.status,
    reason: row.reason ?? undefined,
    total: numberOf(row.total),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  })
}

export async function insertOrder(db: Db, { state: { id, userId, items, status, createdAt, updatedAt } }: Order): Promise<void> {
  const order = { id, user_id: userId, status, reason: null, total: null, created_at: createdAt, updated_at: updatedAt }
  await db.insertInto('orders').values(order).execute()
  const rows = items.map(({ productId, quantity }) => ({ order_id: id, product_id: productId, quantity, price: null }))
  await db.insertInto('order_products').values(rows).execute()
}

export async function saveOrder(db: Db, { state: { id, status, reason, total, updatedAt } }: Order): Promise<void> {
  const row = { status, reason: reason ?? null, total: total ?? null, updated_at: updatedAt }
  await db.updateTable('orders').set(row).where('id', '=', id).execute()
}

/** The items learn their prices once, with the reservation. */
export async function savePrices(db: Db, { state: { id, items } }: Order): Promise<void> {
  for (const { productId, price = null } of items)
    await db.updateTable('order_products').set({ price }).where('order_id', '=', id).where('product_id', '=', productId).execute()
}

const numberOf = (value: number | string | null): number | undefined => (value === null ? undefined : Number(value))
