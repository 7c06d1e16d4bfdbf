import { CancelReason, Id, OrderStatus } from '@ecommerce/contracts'
import {
  CREATED,
  DONE,
  failures,
  found,
  IdPath,
  IdQuery,
  jsonBody,
  PageQuery,
  pageOf,
  Quantity,
  Refused,
  type ServiceApp,
} from '@ecommerce/platform'
import { createRoute, z } from '@hono/zod-openapi'
import { cancelOrder } from '../command/cancel-order.ts'
import { payOrder } from '../command/pay-order.ts'
import { placeOrder } from '../command/place-order.ts'
import { nextId } from '../database.ts'
import { findOrder, listOrders } from '../query/orders.ts'

const MOST_ITEMS = 100

const Items = z
  .array(z.strictObject({ product_id: Id, quantity: Quantity }))
  .min(1)
  .max(MOST_ITEMS)
  .check(({ value, issues }) => {
    const seen = new Set<number>()
    for (const [at, { product_id }] of value.entries()) {
      if (seen.has(product_id))
        issues.push({ code: 'custom', input: product_id, path: [at, 'product_id'], message: `product ${product_id} is there twice` })
      seen.add(product_id)
    }
  })
const NewOrder = z.strictObject({ user_id: Id, items: Items }).openapi('NewOrder')
const Order = z
  .object({
    id: z.int(),
    user_id: z.int(),
    status: OrderStatus,
    reason: CancelReason.nullable(),
    total: z.number().nullable(),
    items: z.array(z.object({ product_id: z.int(), quantity: z.int(), price: z.number().nullable() })),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .openapi('Order')
const OrderQuery = PageQuery.extend({ user_id: IdQuery.optional(), status: OrderStatus.optional() })

const PATH = '/api/v1/orders'
const params = { params: IdPath }
const create = createRoute({ method: 'post', path: PATH, request: { body: jsonBody(NewOrder) }, responses: { ...CREATED, ...failures } })
const list = createRoute({ method: 'get', path: PATH, request: { query: OrderQuery }, responses: { ...found(pageOf(Order)), ...failures } })
const read = createRoute({ method: 'get', path: `${PATH}/{id}`, request: params, responses: { ...found(Order), ...failures } })
const pay = createRoute({ method: 'post', path: `${PATH}/{id}/pay`, request: params, responses: { ...DONE, ...failures } })
const cancel = createRoute({ method: 'post', path: `${PATH}/{id}/cancel`, request: params, responses: { ...DONE, ...failures } })

export function orderRoutes(app: ServiceApp): void {
  app.openapi(create, async (c) => {
    const { user_id: userId, items } = c.req.valid('json')
    c.set('logged', { userId })
    const id = await nextId()
    await placeOrder({ id, userId, items: items.map(({ product_id, quantity }) => ({ productId: product_id, quantity })) })
    return c.json({ id }, 201, { Location: `${PATH}/${id}` })
  })

  app.openapi(list, async (c) => c.json(await listOrders(c.req.valid('query')), 200))

  app.openapi(read, async (c) => {
    const { id } = c.req.valid('param')
    const order = await findOrder(id)
    if (!order) throw new Refused('not_found', `there is no order ${id}`)
    return c.json(order, 200)
  })

  app.openapi(pay, async (c) => {
    await payOrder(c.req.valid('param'))
    return c.body(null, 204)
  })

  app.openapi(cancel, async (c) => {
    await cancelOrder(c.req.valid('param'))
    return c.body(null, 204)
  })
}
