import { centsOf } from '@ecommerce/contracts'
import {
  CREATED,
  DONE,
  failures,
  found,
  IdPath,
  jsonBody,
  PageQuery,
  Price,
  pageOf,
  Refused,
  type ServiceApp,
  Stock,
  text,
} from '@ecommerce/platform'
import { createRoute, z } from '@hono/zod-openapi'
import { createProduct } from '../command/create-product.ts'
import { updateProduct } from '../command/update-product.ts'
import { nextId } from '../database.ts'
import { findProduct, listProducts } from '../query/products.ts'

const Name = text(200).openapi({ example: 'Camiseta Básica' })
const NewProduct = z.strictObject({ name: Name, price: Price, stock: Stock }).openapi('NewProduct')
const ProductChange = z
  .strictObject({ name: Name.optional(), price: Price.optional(), stock: Stock.optional() })
  .refine((change) => Object.keys(change).length > 0, 'changes nothing')
  .openapi('ProductChange')
const Product = z
  .object({ id: z.int(), name: z.string(), price: z.number(), stock: z.int(), created_at: z.string(), updated_at: z.string() })
  .openapi('Product')

const PATH = '/api/v1/products'
const create = createRoute({ method: 'post', path: PATH, request: { body: jsonBody(NewProduct) }, responses: { ...CREATED, ...failures } })
const list = createRoute({
  method: 'get',
  path: PATH,
  request: { query: PageQuery },
  responses: { ...found(pageOf(Product)), ...failures },
})
const read = createRoute({
  method: 'get',
  path: `${PATH}/{id}`,
  request: { params: IdPath },
  responses: { ...found(Product), ...failures },
})
const update = createRoute({
  method: 'patch',
  path: `${PATH}/{id}`,
  request: { params: IdPath, body: jsonBody(ProductChange) },
  responses: { ...DONE, ...failures },
})

export function productRoutes(app: ServiceApp): void {
  app.openapi(create, async (c) => {
    const { price, ...product } = c.req.valid('json')
    const id = await nextId()
    await createProduct({ id, price: centsOf(price), ...product })
    return c.json({ id }, 201, { Location: `${PATH}/${id}` })
  })

  app.openapi(list, async (c) => c.json(await listProducts(c.req.valid('query')), 200))

  app.openapi(read, async (c) => {
    const { id } = c.req.valid('param')
    const product = await findProduct(id)
    if (!product) throw new Refused('not_found', `there is no product ${id}`)
    return c.json(product, 200)
  })

  app.openapi(update, async (c) => {
    const { price, ...change } = c.req.valid('json')
    await updateProduct({ ...c.req.valid('param'), ...change, ...(price !== undefined && { price: centsOf(price) }) })
    return c.body(null, 204)
  })
}
