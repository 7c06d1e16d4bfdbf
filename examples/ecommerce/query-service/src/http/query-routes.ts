import { CancelReason, OrderStatus } from '@ecommerce/contracts'
import { failures, found, IdPath, IdQuery, PageQuery, pageOf, Refused, type ServiceApp } from '@ecommerce/platform'
import { createRoute, z } from '@hono/zod-openapi'
import { findOrder, listOrders } from '../query/orders.ts'
import { findProduct, listProducts } from '../query/products.ts'
import { findUser, listUsers } from '../query/users.ts'

const times = { created_at: z.string(), updated_at: z.string() }
const User = z.object({ id: z.int(), name: z.string(), email: z.string(), ...times }).openapi('User')
const Product = z.object({ id: z.int(), name: z.string(), price: z.number(), stock: z.int(), ...times }).openapi('Product')
const Order = z
  .object({
    id: z.int(),
    status: OrderStatus,
    reason: CancelReason.nullable(),
    total: z.number().nullable(),
    user: z.object({ id: z.int(), name: z.string().nullable(), email: z.string().nullable() }),
    items: z.array(z.object({ product_id: z.int(), name: z.string().nullable(), price: z.number().nullable(), quantity: z.int() })),
    ...times,
  })
  .openapi('Order')
const OrderQuery = PageQuery.extend({ user_id: IdQuery.optional(), status: OrderStatus.optional() })

const list = <Path extends string, Item extends z.ZodType>(path: Path, item: Item) =>
  createRoute({ method: 'get', path, request: { query: PageQuery }, responses: { ...found(pageOf(item)), ...failures } })
const one = <Path extends string, Item extends z.ZodType>(path: Path, item: Item) =>
  createRoute({ method: 'get', path, request: { params: IdPath }, responses: { ...found(item), ...failures } })
const orders = createRoute({
  method: 'get',
  path: '/q/orders',
  request: { query: OrderQuery },
  responses: { ...found(pageOf(Order)), ...failures },
})

export function queryRoutes(app: ServiceApp): void {
  app.openapi(orders, async (c) => c.json(await listOrders(c.req.valid('query')), 200))
  app.openapi(one('/q/orders/{id}', Order), async (c) => c.json(existing('order', await findOrder(c.req.valid('param').id)), 200))
  app.openapi(list('/q/products', Product), async (c) => c.json(await listProducts(c.req.valid('query')), 200))
  app.openapi(one('/q/products/{id}', Product), async (c) => c.json(existing('product', await findProduct(c.req.valid('param').id)), 200))
  app.openapi(list('/q/users', User), async (c) => c.json(await listUsers(c.req.valid('query')), 200))
  app.openapi(one('/q/users/{id}', User), async (c) => c.json(existing('user', await findUser(c.req.valid('param').id)), 200))
}

/** @throws Refused not_found */
function existing<View>(what: string, view: View | undefined): View {
  if (view === undefined) throw new Refused('not_found', `there is no such ${what}, or not yet`)
  return view
}
