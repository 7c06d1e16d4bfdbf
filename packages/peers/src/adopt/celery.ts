import { defineEvent, type Messaging } from '@corebus/core'
import { celeryTasks } from '@corebus/core/envelopes'
import { z } from 'zod'
import type { Handler } from './handler.ts'

// #region task
const Call = z.object({
  args: z.tuple([z.number(), z.number()]),
  kwargs: z.object({ currency: z.string().default('EUR') }),
})
/** The task's name is the event's. */
export const Charge = defineEvent('shop.charge', Call, { topic: 'celery-tasks', ...celeryTasks })
// #endregion task
type Charged = { data: z.infer<typeof Call> }

// #region queue
export function fromItsQueue(messaging: Messaging, handler: Handler<Charged>): void {
  messaging.on(Charge, { topic: 'charges', from: { queue: 'celery-writes' } }, handler)
}
// #endregion queue

// #region ours
export function fromOurExchange(messaging: Messaging, handler: Handler<Charged>): void {
  messaging.on(Charge, {}, handler)
}
// #endregion ours

// #region to-queue
export async function toItsQueue(messaging: Messaging, orderId: number, amount: number): Promise<void> {
  const call = { args: [orderId, amount] as [number, number], kwargs: { currency: 'USD' } }
  await messaging.publishEvent(Charge, call, { exchange: '', routingKey: 'celery' })
}
// #endregion to-queue
