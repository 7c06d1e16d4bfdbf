import { defineEvent, type Messaging } from '@corebus/core'
import { massTransit } from '@corebus/core/envelopes'
import { z } from 'zod'
import type { Handler } from './handler.ts'

// #region event
/** The name is the message type without `urn:message:`. */
export const SubmitOrder = defineEvent('Contracts:SubmitOrder', z.object({ orderId: z.number() }), {
  topic: 'submit-order',
  ...massTransit,
})
/** For createMessaging: its exchange of that type is the topic's. */
export const names = { 'submit-order': { rabbitmq: 'Contracts:SubmitOrder' } }
// #endregion event

// #region read
export function published(messaging: Messaging, handler: Handler<{ data: { orderId: number } }>): void {
  messaging.on(SubmitOrder, {}, handler)
}

export function fromItsQueue(messaging: Messaging, handler: Handler<{ data: { orderId: number } }>): void {
  messaging.on(SubmitOrder, { topic: 'submitted', from: { queue: 'submit-order' } }, handler)
}
// #endregion read

// #region write
export async function publish(messaging: Messaging, orderId: number): Promise<void> {
  await messaging.publishEvent(SubmitOrder, { orderId })
}
// #endregion write
