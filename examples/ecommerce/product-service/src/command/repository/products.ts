import { forUpdate, Refused } from '@ecommerce/platform'
import type { Db } from '../../messaging.ts'
import type { ProductRow } from '../../tables.ts'
import { Product } from '../domain/product.ts'

/** Held until the commit, in the order of their ids, so that two orders for the same products wait for each other and not for ever. */
export async function findProducts(db: Db, ids: readonly number[]): Promise<ReadonlyMap<number, Product>> {
  if (ids.length === 0) return new Map()
  const rows = await forUpdate(db, db.selectFrom('products').selectAll().where('id', 'in', ids).orderBy('id')).execute()
  return new Map(rows.map((row) => [Number(row.id), productOf(row)]))
}

/** @throws Refused not_found */
export async function findProduct(db: Db, id: number): Promise<Product> {
  const product = (await findProducts(db, [id])).get(id)
  if (!product) throw new Refused('not_found', `there is no product ${id}`)
  return product
}

export async function insertProduct(db: Db, { state: { createdAt, updatedAt, ...columns } }: Product): Promise<void> {
  await db
    .insertInto('products')
    .values({ ...columns, created_at: createdAt, updated_at: updatedAt })
    .execute()
}

export async function saveProduct(db: Db, { state: { id, name, price, stock, version, updatedAt } }: Product): Promise<void> {
  await db.updateTable('products').set({ name, price, stock, version, updated_at: updatedAt }).where('id', '=', id).execute()
}

function productOf({ id, name, price, stock, version, created_at: createdAt, updated_at: updatedAt }: ProductRow): Product {
  return new Product({ id: Number(id), name, price: Number(price), stock: Number(stock), version, createdAt, updatedAt })
}
