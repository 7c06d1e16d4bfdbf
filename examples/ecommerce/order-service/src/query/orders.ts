import { amountOf, type CancelReason, type OrderStatus } from '@ecommerce/contracts'
import { page } from '@ecommerce/platform'
import { database } from '../database.ts'
import type { OrderProductRow, OrderRow } from '../tables.ts'

export interface OrderView {
  readonly id: number
  readonly user_id: number
  readonly status: OrderStatus
  readonly reason: CancelReason | null
  readonly total: number | null
  readonly items: { readonly product_id: number; readonly quantity: number; readonly price: number | null }[]
  readonly created_at: string
  readonly updated_at: string
}

export interface OrderFilter {
  readonly limit: number
  readonly after?: number | undefined
  readonly user_id?: number | undefined
  readonly status?: OrderStatus | undefined
}

export async function statusOf(id: number): Promise<OrderStatus | undefined> {
  const row = await database.read.selectFrom('orders').select('status').where('id', '=', id).executeTakeFirst()
  return row?.status
}

export async function findOrder(id: number): Promise<OrderView | undefined> {
  const row = await database.read.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst()
  if (!row) return undefined
  const [view] = await withItems([row])
  return view
}

export async function listOrders({ limit, after = 0, user_id, status }: OrderFilter) {
  const rows = await database.read
    .selectFrom('orders')
    .selectAll()
    .where('id', '>', after)
    .$if(user_id !== undefined, (query) => query.where('user_id', '=', user_id ?? 0))
    .$if(status !== undefined, (query) => query.where('status', '=', status ?? 'PENDING'))
    .orderBy('id')
    .limit(limit + 1)
    .execute()
  return page(await withItems(rows), limit)
}

async function withItems(rows: readonly OrderRow[]): Promise<OrderView[]> {
  if (rows.length === 0) return []
  const ids = rows.map(({ id }) => id)
  const items = await database.read
    .selectFrom('order_products')
    .selectAll()
    .where('order_id', 'in', ids)
    .orderBy('order_id')
    .orderBy('product_id')
    .execute()
  const byOrder = Map.groupBy(items, ({ order_id }) => Number(order_id))
  return rows.map((row) => view(row, byOrder.get(Number(row.id)) ?? []))
}

function view({ id, user_id, status, reason, total, created_at, updated_at }: OrderRow, items: readonly OrderProductRow[]): OrderView {
  return {
    id: Number(id),
    user_id: Number(user_id),
    status,
    reason,
    total: amount(total),
    items: items.map(({ product_id, quantity, price }) => ({ product_id: Number(product_id), quantity, price: amount(price) })),
    created_at,
    updated_at,
  }
}

const amount = (cents: number | string | null): number | null => (cents === null ? null : amountOf(Number(cents)))
