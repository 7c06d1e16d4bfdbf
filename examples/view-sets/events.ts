import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'

// #region events
/** Names are `entity.action`, in the past: what has happened to what. */
export const UserCreated = defineEvent('user.created', z.object({ id: z.int(), email: z.email() }), { topic: 'user-events', key: 'id' })
export type UserCreated = EventOf<typeof UserCreated>

export const OrderCreated = defineEvent('order.created', z.object({ id: z.int(), user_id: z.int(), total: z.number() }), {
  topic: 'order-events',
  key: 'id',
})
export type OrderCreated = EventOf<typeof OrderCreated>

/** A plain message on the topic `orders.created`: it has what the row has not. */
export const OrderPlaced = z.object({
  order_id: z.int(),
  user_id: z.int(),
  total: z.number(),
  items_count: z.int(),
  created_at: z.iso.datetime(),
})
export type OrderPlaced = z.infer<typeof OrderPlaced>
// #endregion events
