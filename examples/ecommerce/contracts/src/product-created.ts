import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'
import { Cents } from './cents.ts'
import { Id } from './id.ts'

/** Published by product-service. `stock` is what can be sold: neither reserved nor sold. */
export const ProductCreated = defineEvent(
  'product.created',
  z.object({ id: Id, name: z.string(), price: Cents, stock: z.int(), version: z.int(), created_at: z.iso.datetime() }),
  { topic: 'product.created', key: 'id' },
)
export type ProductCreated = EventOf<typeof ProductCreated>
