import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'
import { Cents } from './cents.ts'
import { Id } from './id.ts'

/** Published by order-service. Final. */
export const OrderPaid = defineEvent('order.paid', z.object({ id: Id, user_id: Id, total: Cents, paid_at: z.iso.datetime() }), {
  topic: 'order.paid',
  key: 'id',
})
export type OrderPaid = EventOf<typeof OrderPaid>
