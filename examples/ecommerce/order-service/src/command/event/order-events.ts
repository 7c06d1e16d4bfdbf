import { emit } from '@corebus/core'
import { OrderCanceled, OrderCreated, OrderPaid } from '@ecommerce/contracts'
import type { Order } from '../domain/order.ts'

export function orderCreated({ state: { id, userId, items, createdAt } }: Order): void {
  const products = items.map(({ productId, quantity }) => ({ product_id: productId, quantity }))
  emit(OrderCreated, { id, user_id: userId, items: products, created_at: createdAt })
}

export function orderPaid({ state: { id, userId, total = 0, updatedAt } }: Order): void {
  emit(OrderPaid, { id, user_id: userId, total, paid_at: updatedAt })
}

export function orderCanceled({ state: { id, reason = 'user', updatedAt } }: Order): void {
  emit(OrderCanceled, { id, reason, canceled_at: updatedAt })
}
