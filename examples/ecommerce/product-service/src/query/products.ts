import { amountOf } from '@ecommerce/contracts'
import { page } from '@ecommerce/platform'
import { database } from '../database.ts'
import type { ProductRow } from '../tables.ts'

export interface ProductView {
  readonly id: number
  readonly name: string
  readonly price: number
  readonly stock: number
  readonly created_at: string
  readonly updated_at: string
}

export async function findProduct(id: number): Promise<ProductView | undefined> {
  const row = await database.read.selectFrom('products').selectAll().where('id', '=', id).executeTakeFirst()
  return row && view(row)
}

export async function listProducts({ limit, after = 0 }: { limit: number; after?: number | undefined }) {
  const rows = await database.read
    .selectFrom('products')
    .selectAll()
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit + 1)
    .execute()
  return page(rows.map(view), limit)
}

function view({ id, name, price, stock, created_at, updated_at }: ProductRow): ProductView {
  return { id: Number(id), name, price: amountOf(Number(price)), stock: Number(stock), created_at, updated_at }
}
