import { emit } from '@corebus/core'
import { OrderCanceled, StockReserved } from '@ecommerce/contracts'
import type { Product } from '../domain/product.ts'
import type { Reservation } from '../domain/reservation.ts'

/** Tells what became of an order here: its items with their names and prices of now, or that there was not enough. */
export function reservationMade({ orderId, status, items, updatedAt }: Reservation, products: ReadonlyMap<number, Product>): void {
  if (status === 'refused') return void emit(OrderCanceled, { id: orderId, reason: 'out_of_stock', canceled_at: updatedAt })
  const priced = items.flatMap(({ productId, quantity }) => {
    const { name, price } = products.get(productId)?.state ?? {}
    return name === undefined || price === undefined ? [] : [{ product_id: productId, name, price, quantity }]
  })
  const total = priced.reduce((sum, { price, quantity }) => sum + price * quantity, 0)
  emit(StockReserved, { order_id: orderId, items: priced, total, reserved_at: updatedAt })
}
