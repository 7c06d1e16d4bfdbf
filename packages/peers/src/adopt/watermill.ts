import { defineEvent, type Messaging } from '@corebus/core'
import { watermill } from '@corebus/core/envelopes'
import { z } from 'zod'
import type { Handler } from './handler.ts'

// #region queue
export function fromItsQueue(messaging: Messaging, handler: Handler<{ id: number }>): void {
  messaging.handle({ topic: 'watermill-orders', from: { queue: 'watermill-writes' } }, handler)
}

export async function toItsQueue(messaging: Messaging, order: { id: number }): Promise<void> {
  await messaging.getProducer().send('watermill-sent', order, { exchange: '', routingKey: 'watermill-reads' })
}
// #endregion queue

// #region redis
/** The event's name is the metadata `name`, as Watermill's CQRS component sets it. */
export const OrderPlaced = defineEvent('order.placed', z.object({ id: z.number() }), { topic: 'watermill-reads', ...watermill })

export function fromItsStream(messaging: Messaging, handler: Handler<{ data: { id: number } }>): void {
  messaging.on(OrderPlaced, { topic: 'watermill-writes' }, handler)
}

export async function toItsStream(messaging: Messaging, order: { id: number }): Promise<void> {
  await messaging.publishEvent(OrderPlaced, order)
}
// #endregion redis
