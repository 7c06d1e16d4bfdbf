import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'
import { Id } from './id.ts'
import { CancelReason } from './order-status.ts'

/** Final. Published by order-service (`user`, `expired`), and by product-service for an order that it could not reserve (`out_of_stock`). */
export const OrderCanceled = defineEvent('order.canceled', z.object({ id: Id, reason: CancelReason, canceled_at: z.iso.datetime() }), {
  topic: 'order.canceled',
  key: 'id',
})
export type OrderCanceled = EventOf<typeof OrderCanceled>
