import { messaging } from '../messaging.ts'
import { Product } from './domain/product.ts'
import { productCreated } from './event/product-events.ts'
import { insertProduct } from './repository/products.ts'

export interface CreateProduct {
  readonly id: number
  readonly name: string
  /** Cents. */
  readonly price: number
  readonly stock: number
}

export async function createProduct(command: CreateProduct): Promise<void> {
  const product = Product.create({ ...command, at: new Date().toISOString() })
  await messaging.session(async (db) => {
    await insertProduct(db, product)
    productCreated(product)
  })
}
