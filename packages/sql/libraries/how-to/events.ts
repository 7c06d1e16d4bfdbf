import { defineEvent, type Messaging } from '@corebus/core'
import type { SqlDatabase } from '@corebus/sql'
import { z } from 'zod'

// #region events
const Order = z.object({ id: z.number() })

export const CartCheckedOut = defineEvent('cart.checked-out', Order, { topic: 'carts', key: 'id' })
export const OrderPlaced = defineEvent('order.placed', Order, { topic: 'orders', key: 'id' })
// #endregion events

/** What the page of a library makes, for its test. */
export interface Example {
  readonly messaging: Messaging
  readonly database: SqlDatabase
  /** In a session. */
  place(id: number): Promise<unknown>
  /** In a transaction of the library's own. */
  placeInMine(id: number): Promise<unknown>
  close(): unknown
}
