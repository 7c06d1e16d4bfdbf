import type { Messaging } from '@corebus/core'
import { z } from 'zod'
import type { Handler } from './handler.ts'

const Order = z.object({ id: z.number() })
type Order = z.infer<typeof Order>

// #region queue
export function fromItsQueue(messaging: Messaging, handler: Handler<Order>): void {
  messaging.handle({ topic: 'spring-orders', from: { queue: 'orders.billing' }, schema: Order }, handler)
}
// #endregion queue

// #region to-exchange
export async function toItsExchange(messaging: Messaging, order: Order): Promise<void> {
  await messaging.getProducer().send('spring-sent', order, { exchange: 'orders', routingKey: 'order.placed' })
}
// #endregion to-exchange

// #region kafka
export function onKafka(messaging: Messaging, handler: Handler<Order>): void {
  messaging.handle({ topic: 'spring-writes', schema: Order }, handler)
}
// #endregion kafka
