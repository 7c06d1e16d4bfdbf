import { defineEvent, type EventOf } from '@corebus/core'
import { z } from 'zod'
import { Cents } from './cents.ts'
import { Id } from './id.ts'

/** Published by product-service: all items of the order are put aside for it, at these prices. */
export const StockReserved = defineEvent(
  'stock.reserved',
  z.object({
    order_id: Id,
    items: z.array(z.object({ product_id: Id, name: z.string(), price: Cents, quantity: z.int().min(1) })).min(1),
    total: Cents,
    reserved_at: z.iso.datetime(),
  }),
  { topic: 'stock.reserved', key: 'order_id' },
)
export type StockReserved = EventOf<typeof StockReserved>
