import type { DatabaseSync } from 'node:sqlite'
import { event, getProducer } from '@corebus/core'
import { type ActionContext, action, ViewSet } from '@corebus/hono'
import { OrderCreated, type ProcessPayment } from '@two-apis/events'
import type { Context } from 'hono'
import { z } from 'zod'
import { findOrder, insertOrder, isCustomer, ordersOf } from './orders.ts'

const NewOrder = z.object({
  user_id: z.int(),
  items: z.array(z.object({ sku: z.string(), quantity: z.int().positive(), price: z.number().nonnegative() })).min(1),
})
type NewOrder = z.infer<typeof NewOrder>

const OfUser = z.object({ user_id: z.coerce.number<string>() })
type OfUser = z.infer<typeof OfUser>

const Payment = z.object({ card_token: z.string() })
type Payment = z.infer<typeof Payment>

export class OrderViewSet extends ViewSet {
  @action({ method: 'POST', path: '', body: NewOrder })
  @event(OrderCreated)
  create(c: Context, { db, body: { user_id, items } }: ActionContext<DatabaseSync, NewOrder>) {
    if (!isCustomer(db, user_id)) return c.json({ error: `user ${user_id} is not known here, or not yet` }, 404)
    const total = items.reduce((sum, { quantity, price }) => sum + quantity * price, 0)
    const itemsCount = items.reduce((sum, { quantity }) => sum + quantity, 0)
    return { id: insertOrder(db, { userId: user_id, total, itemsCount }), user_id, total }
  }

  @action({ path: '', query: OfUser })
  list(_: Context, { db, query }: ActionContext<DatabaseSync, undefined, OfUser>) {
    return ordersOf(db, query.user_id)
  }

  /**
   * Writes nothing here, so `send` may go out at once, and the customer hears 202 only when the broker has the message. Without an answer nobody knows
   * whether it has: the customer asks again, and the handler of the message charges an order once.
   */
  @action({ method: 'POST', detail: true, body: Payment, session: 'read' })
  async pay(c: Context, { db, id, body: { card_token } }: ActionContext<DatabaseSync, Payment>) {
    const order = findOrder(db, Number(id))
    if (!order) return c.json({ error: `there is no order ${id}` }, 404)
    if (order.status === 'paid') return c.json({ error: `order ${id} is paid already` }, 409)
    if (order.total === 0) return c.json({ error: `order ${id} costs nothing` }, 409)
    const message: ProcessPayment = { order_id: order.id, user_id: order.user_id, amount: order.total, card_token }
    await getProducer().send('payments.process', message, { key: order.id })
    return c.json({ order_id: order.id, status: 'processing' }, 202)
  }
}
