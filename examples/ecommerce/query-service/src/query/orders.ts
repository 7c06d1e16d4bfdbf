import type { Stored } from '@corebus/cqrs'
import { amountOf, type OrderStatus } from '@ecommerce/contracts'
import { page } from '@ecommerce/platform'
import type { ItemView, OrderView } from '../projection/order-view.ts'
import { views } from '../projection/views.ts'

const { orders, products } = views

export interface OrderFilter {
  readonly limit: number
  readonly after?: number | undefined
  readonly user_id?: number | undefined
  readonly status?: OrderStatus | undefined
}

export async function findOrder(id: number) {
  const order = await orders.get(id)
  return order && answer(order)
}

export async function listOrders({ limit, after = 0, user_id, status }: OrderFilter) {
  const where = { id: { gt: after }, ...(user_id !== undefined && { user_id }), ...(status !== undefined && { status }) }
  const { items } = await orders.find({ where, sort: ['id'], limit: limit + 1 })
  return page(await Promise.all(items.map(answer)), limit)
}

async function answer({ id, status, reason, total, user_id, user_name, user_email, items, created_at, updated_at }: Stored<OrderView>) {
  return {
    id,
    status,
    reason,
    total: total === undefined ? null : amountOf(total),
    user: { id: user_id, name: user_name ?? null, email: user_email ?? null },
    items: await Promise.all(items.map(itemAnswer)),
    created_at,
    updated_at,
  }
}

/** An item that is not reserved has no name of its time yet: it is called what the product is called now. */
async function itemAnswer({ product_id, name, price, quantity }: ItemView) {
  const shown = name ?? (await products.get(product_id))?.name ?? null
  return { product_id, name: shown, price: price === null ? null : amountOf(price), quantity }
}
