import type { Stored } from '@corebus/cqrs'
import { amountOf } from '@ecommerce/contracts'
import { page } from '@ecommerce/platform'
import type { ProductView } from '../projection/product-view.ts'
import { views } from '../projection/views.ts'

const { products } = views

export async function findProduct(id: number) {
  const product = await products.get(id)
  return product && answer(product)
}

export async function listProducts({ limit, after = 0 }: { readonly limit: number; readonly after?: number | undefined }) {
  const { items } = await products.find({ where: { id: { gt: after } }, sort: ['id'], limit: limit + 1 })
  return page(items.map(answer), limit)
}

const answer = ({ id, name, price, stock, created_at, updated_at }: Stored<ProductView>) => ({
  id,
  name,
  price: amountOf(price),
  stock,
  created_at,
  updated_at,
})
