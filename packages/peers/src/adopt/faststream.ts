import { defineEvent, type Messaging } from '@corebus/core'
import { fastStream } from '@corebus/core/envelopes'
import { z } from 'zod'
import type { Handler } from './handler.ts'

export const Order = z.object({ id: z.number(), total: z.number() })
export type Order = z.infer<typeof Order>

// #region ours
export function fromOurs(messaging: Messaging, handler: Handler<Order>): void {
  messaging.handle({ topic: 'faststream-writes', schema: Order }, handler)
}

export async function toOurs(messaging: Messaging, order: Order): Promise<void> {
  await messaging.getProducer().send('faststream-reads-ours', order)
}
// #endregion ours

// #region queue
export function fromItsQueue(messaging: Messaging, handler: Handler<Order>): void {
  messaging.handle({ topic: 'faststream-billing', from: { queue: 'faststream-queue' }, schema: Order }, handler)
}
// #endregion queue

// #region exchange
export function fromItsExchange(messaging: Messaging, handler: Handler<Order>): void {
  const from = { exchange: 'faststream-exchange', bind: 'order.eu.*' }
  messaging.handle({ topic: 'faststream-eu', from, schema: Order }, handler)
}
// #endregion exchange

// #region to-queue
export async function toItsQueue(messaging: Messaging, order: Order): Promise<void> {
  await messaging.getProducer().send('faststream-sent', order, { exchange: '', routingKey: 'faststream-reads' })
}
// #endregion to-queue

// #region redis
export const OrderPlaced = defineEvent('order.placed', Order, { topic: 'faststream-reads', ...fastStream('order.placed') })

export function fromItsStream(messaging: Messaging, handler: Handler<{ data: Order }>): void {
  messaging.on(OrderPlaced, { topic: 'faststream-orders', from: { stream: 'faststream:writes' } }, handler)
}

export async function toItsStream(messaging: Messaging, order: Order): Promise<void> {
  await messaging.publishEvent(OrderPlaced, order)
}
// #endregion redis
