import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'
import { Id } from './id.ts'

/** Published by shipping-service. */
export const OrderShipped = defineEvent('order.shipped', z.object({ id: Id, shipped_at: z.iso.datetime() }), {
  topic: 'order.shipped',
  key: 'id',
})
export type OrderShipped = EventOf<typeof OrderShipped>
