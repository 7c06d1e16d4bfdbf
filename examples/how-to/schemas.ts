import { codec, defineEvent, type EventOf } from '@corebus/core'
import * as v from 'valibot'

// #region plain
export const OrderPaid = defineEvent('order.paid', v.object({ order_id: v.number(), paid_at: v.pipe(v.string(), v.isoTimestamp()) }), {
  topic: 'order-events',
  key: 'order_id',
})
// #endregion plain

// #region codec
const Travels = v.object({ order_id: v.number(), at: v.pipe(v.string(), v.isoTimestamp()) })

export const OrderPacked = defineEvent(
  'order.packed',
  codec(Travels, {
    decode: ({ at, ...order }) => ({ ...order, at: new Date(at) }),
    encode: ({ at, ...order }: { order_id: number; at: Date }) => ({ ...order, at: at.toISOString() }),
  }),
  { topic: 'order-events' },
)
export type OrderPacked = EventOf<typeof OrderPacked>
// #endregion codec
