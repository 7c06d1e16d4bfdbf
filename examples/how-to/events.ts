import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'

// #region define
export const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.email() }), { topic: 'user-events', key: 'id' })
export type UserCreated = EventOf<typeof UserCreated>
// #endregion define

// #region codec
const isoDate = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })

export const OrderShipped = defineEvent('order.shipped', z.object({ order_id: z.number(), at: isoDate }), {
  topic: 'order-events',
  key: 'order_id',
})
// #endregion codec
export type OrderShipped = EventOf<typeof OrderShipped>

// #region charge
export const Charge = z.object({ order_id: z.number(), amount: z.number(), card_token: z.string() })
export type Charge = z.infer<typeof Charge>
// #endregion charge
