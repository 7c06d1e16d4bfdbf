import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'

/** Published by users-api. */
export const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.email() }), { topic: 'user-events', key: 'id' })
export type UserCreated = EventOf<typeof UserCreated>

export const UserUpdated = defineEvent('user.updated', z.object({ id: z.number(), email: z.email() }), { topic: 'user-events', key: 'id' })
export type UserUpdated = EventOf<typeof UserUpdated>

/** Published by orders-api. */
export const OrderCreated = defineEvent('order.created', z.object({ id: z.number(), user_id: z.number(), total: z.number() }), {
  topic: 'order-events',
  key: 'id',
})
export type OrderCreated = EventOf<typeof OrderCreated>

export const PaymentCompleted = defineEvent(
  'payment.completed',
  z.object({ order_id: z.number(), user_id: z.number(), amount: z.number() }),
  { topic: 'payment-events', key: 'order_id' },
)
export type PaymentCompleted = EventOf<typeof PaymentCompleted>

/** The messages of `orders.created` and `orders.updated`: plain ones, not events, with what the events do not carry. */
export const OrderState = z.object({
  order_id: z.number(),
  user_id: z.number(),
  total: z.number(),
  items_count: z.number(),
  status: z.enum(['open', 'paid']),
})
export type OrderState = z.infer<typeof OrderState>

/** The messages of `payments.process`: a command to charge for one order. */
export const ProcessPayment = z.object({ order_id: z.number(), user_id: z.number(), amount: z.number(), card_token: z.string() })
export type ProcessPayment = z.infer<typeof ProcessPayment>
