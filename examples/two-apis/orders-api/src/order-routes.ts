import { emit, getProducer } from '@corebus/core'
import { jsonBody, requestScope } from '@corebus/hono'
import { OrderCreated, type ProcessPayment } from '@two-apis/events'
import { Hono } from 'hono'
import { z } from 'zod'
import { messaging } from './messaging.ts'
import { findOrder, insertOrder, isCustomer, ordersOf } from './orders.ts'

const NewOrder = z.object({
  user_id: z.int(),
  items: z.array(z.object({ sku: z.string(), quantity: z.int().positive(), price: z.number().nonnegative() })).min(1),
})
const OfUser = z.object({ user_id: z.coerce.number<string>() })
const Payment = z.object({ card_token: z.string() })

/** Plain routes of Hono. What they emit is written into the outbox, in the transaction of the request: an answer of 400 and above takes both back. */
export const orderRoutes = new Hono()
  .post('/', jsonBody(NewOrder), requestScope(messaging), (c) => {
    const { db } = c.var
    const { user_id, items } = c.req.valid('json')
    if (!isCustomer(db, user_id)) return c.json({ error: `user ${user_id} is not known here, or not yet` }, 404)
    const total = items.reduce((sum, { quantity, price }) => sum + quantity * price, 0)
    const itemsCount = items.reduce((sum, { quantity }) => sum + quantity, 0)
    const order = { id: insertOrder(db, { userId: user_id, total, itemsCount }), user_id, total }
    emit(OrderCreated, order)
    return c.json(order, 201)
  })

  .get('/', requestScope(messaging), (c) => {
    const { data, error } = OfUser.safeParse(c.req.query())
    return data ? c.json(ordersOf(c.var.db, data.user_id)) : c.json({ error: 'the query does not fit', issues: error.issues }, 422)
  })

  /**
   * Writes nothing here, so `send` may go out at once, and the customer hears 202 only when the broker has the message. Without an answer nobody knows
   * whether it has: the customer asks again, and the handler of the message charges an order once.
   */
  .post('/:id/pay', jsonBody(Payment), requestScope(messaging, { session: 'read' }), async (c) => {
    const id = c.req.param('id')
    const order = findOrder(c.var.db, Number(id))
    if (!order) return c.json({ error: `there is no order ${id}` }, 404)
    if (order.status === 'paid') return c.json({ error: `order ${id} is paid already` }, 409)
    if (order.total === 0) return c.json({ error: `order ${id} costs nothing` }, 409)
    const { card_token } = c.req.valid('json')
    const message: ProcessPayment = { order_id: order.id, user_id: order.user_id, amount: order.total, card_token }
    await getProducer().send('payments.process', message, { key: order.id })
    return c.json({ order_id: order.id, status: 'processing' }, 202)
  })
