import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'
import { Id } from './id.ts'

/** Published by order-service. Prices and names come with stock.reserved: product-service knows them. */
export const OrderCreated = defineEvent(
  'order.created',
  z.object({
    id: Id,
    user_id: Id,
    items: z.array(z.object({ product_id: Id, quantity: z.int().min(1) })).min(1),
    created_at: z.iso.datetime(),
  }),
  { topic: 'order.created', key: 'id' },
)
export type OrderCreated = EventOf<typeof OrderCreated>
