import { emit } from '@corebus/core'
import { ProductCreated, ProductUpdated } from '@ecommerce/contracts'
import type { Product } from '../domain/product.ts'

export function productCreated({ state: { id, name, price, stock, version, createdAt } }: Product): void {
  emit(ProductCreated, { id, name, price, stock, version, created_at: createdAt })
}

export function productUpdated({ state: { id, name, price, stock, version, updatedAt } }: Product): void {
  emit(ProductUpdated, { id, name, price, stock, version, updated_at: updatedAt })
}
