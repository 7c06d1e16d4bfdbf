import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'
import { Cents } from './cents.ts'
import { Id } from './id.ts'

/** Published by product-service, with the whole product, also when an order takes or gives back stock. */
export const ProductUpdated = defineEvent(
  'product.updated',
  z.object({ id: Id, name: z.string(), price: Cents, stock: z.int(), version: z.int(), updated_at: z.iso.datetime() }),
  { topic: 'product.updated', key: 'id' },
)
export type ProductUpdated = EventOf<typeof ProductUpdated>
