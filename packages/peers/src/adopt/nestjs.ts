import { defineEvent, type Messaging } from '@corebus/core'
import { nestPackets } from '@corebus/core/envelopes'
import { z } from 'zod'
import type { Handler } from './handler.ts'

const Order = z.object({ id: z.number() })
type Order = z.infer<typeof Order>

// #region event
export const OrderPlaced = defineEvent('order.placed', Order, { topic: 'nest-ours', ...nestPackets })
// #endregion event

// #region queue
export function fromItsQueue(messaging: Messaging, handler: Handler<{ data: Order }>): void {
  messaging.on(OrderPlaced, { topic: 'nest-orders', from: { queue: 'nest-writes' } }, handler)
}
// #endregion queue

// #region to-queue
export async function toItsQueue(messaging: Messaging, order: Order): Promise<void> {
  await messaging.publishEvent(OrderPlaced, order, { exchange: '', routingKey: 'nest-reads' })
}
// #endregion to-queue

// #region ours
export function fromOurExchange(messaging: Messaging, handler: Handler<{ data: Order }>): void {
  messaging.on(OrderPlaced, { topic: 'nest-writes-ours' }, handler)
}

export async function toOurExchange(messaging: Messaging, order: Order): Promise<void> {
  await messaging.publishEvent(OrderPlaced, order)
}
// #endregion ours

// #region answer
const Sum = z.object({ pattern: z.literal('sum'), id: z.string(), data: z.array(z.number()) })

/** Answers `client.send('sum', [1, 2])`: to the queue that the request names, with its ids. */
export function answers(messaging: Messaging): void {
  messaging.handle({ topic: 'nest-requests', from: { queue: 'nest-asks' }, schema: Sum }, async ({ id, data }, { properties, send }) => {
    const response = { id, response: data.reduce((a, b) => a + b, 0), isDisposed: true }
    const { replyTo = '', correlationId = '' } = properties ?? {}
    await send('nest-answers', response, { exchange: '', routingKey: replyTo, properties: { correlationId } })
  })
}
// #endregion answer

// #region kafka
export function onKafka(messaging: Messaging, handler: Handler<Order>): void {
  messaging.handle({ topic: 'nest-writes', schema: Order }, handler)
}

export async function toKafka(messaging: Messaging, order: Order): Promise<void> {
  await messaging.getProducer().send('nest-reads', order)
}
// #endregion kafka
