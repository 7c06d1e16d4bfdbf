import { messaging } from '../messaging.ts'
import type { ProductChange } from './domain/product.ts'
import { productUpdated } from './event/product-events.ts'
import { findProduct, saveProduct } from './repository/products.ts'

export interface UpdateProduct extends ProductChange {
  readonly id: number
}

/** @throws Refused not_found */
export async function updateProduct({ id, ...change }: UpdateProduct): Promise<void> {
  await messaging.session(async (db) => {
    const product = await findProduct(db, id)
    product.change(change, new Date().toISOString())
    await saveProduct(db, product)
    productUpdated(product)
  })
}
