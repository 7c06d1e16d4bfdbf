import { collection, type WritesOf } from '@corebus/cqrs'
import type { ProductCreated, ProductUpdated } from '@ecommerce/contracts'

export interface ProductView {
  readonly id: number
  readonly name: string
  /** Cents. */
  readonly price: number
  readonly stock: number
  readonly created_at: string
  readonly updated_at: string
}

export const products = collection<ProductView>({ fields: { id: 'number' }, indexes: ['id'], required: ['created_at'] })

type Docs = WritesOf<{ products: typeof products }>

export async function productCreated(docs: Docs, { created_at, ...product }: ProductCreated['data']): Promise<void> {
  await docs.products.merge(product.id, { created_at }, { revision: 1 })
  await productUpdated(docs, { ...product, updated_at: created_at })
}

export async function productUpdated(docs: Docs, { version, ...product }: ProductUpdated['data']): Promise<void> {
  await docs.products.merge(product.id, product, { revision: version })
}
