import type { DatabaseSync } from 'node:sqlite'
import { consumer, getProducer, type HandlerContext, onEvent } from '@corebus/core'
import { OrderCreated, type OrderState, PaymentCompleted } from '@two-apis/events'
import { findOrder } from '../orders.ts'

/**
 * Tells about orders in plain messages, with what the events do not carry. In a handler and not in the request: `send` goes out at once,
 * and the request's transaction might still roll back. When `send` fails the handler does, and is retried.
 *
 * It writes no rows, so there is nothing that an inbox could mark together with them. A message that comes twice is told twice, each time with a
 * new id: who reads `orders.created` and `orders.updated` must not mind, as the inventory does not.
 */
@consumer('order-feed', { session: 'read', inbox: false })
export class OrderFeed {
  @onEvent(OrderCreated)
  async created({ data }: OrderCreated, { db }: HandlerContext<DatabaseSync>): Promise<void> {
    await tell('orders.created', db, data.id)
  }

  @onEvent(PaymentCompleted)
  async paid({ data }: PaymentCompleted, { db }: HandlerContext<DatabaseSync>): Promise<void> {
    await tell('orders.updated', db, data.order_id, 'paid')
  }
}

/** `status` as the event says it: the group that writes it down may not have got there yet. */
async function tell(topic: string, db: DatabaseSync, orderId: number, status: OrderState['status'] = 'open'): Promise<void> {
  const order = findOrder(db, orderId)
  if (!order) throw new Error(`order ${orderId} is not in the database`)
  const message: OrderState = { order_id: order.id, user_id: order.user_id, total: order.total, items_count: order.items_count, status }
  await getProducer().send(topic, message, { key: order.id })
}
