import { collection, type WritesOf } from '@corebus/cqrs'
import type { CancelReason, OrderCanceled, OrderCreated, OrderPaid, OrderStatus, StockReserved } from '@ecommerce/contracts'
import type { users } from './user-view.ts'

/** An order with what screens show beside it, so that one document answers. */
export interface OrderView {
  readonly id: number
  readonly user_id: number
  /** Null until user-service has told of the user. */
  readonly user_name?: string | null
  readonly user_email?: string | null
  readonly status: OrderStatus
  readonly reason: CancelReason | null
  /** Cents. Not there until product-service has said it. */
  readonly total?: number
  readonly items: readonly ItemView[]
  readonly created_at: string
  readonly updated_at: string
  /** Leads from this row to the log lines of the request that placed the order. */
  readonly correlation_id?: string
}

export interface ItemView {
  readonly product_id: number
  readonly quantity: number
  /** Name and price at the time of the reservation; null before it. */
  readonly name: string | null
  /** Cents. */
  readonly price: number | null
}

export const orders = collection<OrderView>({
  fields: { id: 'number', user_id: 'number', status: 'text' },
  indexes: ['id', ['user_id', 'id'], ['status', 'id']],
  // Until order.created has come, a payment or a cancellation that overtook it is kept, and shown to nobody.
  required: ['id', 'created_at'],
})

type Docs = WritesOf<{ orders: typeof orders; users: typeof users }>

/** A later state has a greater rank, so that what comes late changes nothing. Of two reasons to cancel the write side keeps `out_of_stock`. */
const RANK = { created: 1, reserved: 2, canceled: 3, outOfStock: 4, paid: 5 } as const

export async function orderCreated(
  docs: Docs,
  { id, user_id, items, created_at }: OrderCreated['data'],
  correlationId?: string,
): Promise<void> {
  const revision = RANK.created
  const unpriced = items.map((item) => ({ ...item, name: null, price: null }))
  const placed = { id, user_id, items: unpriced, created_at, ...(correlationId && { correlation_id: correlationId }) }
  await docs.orders.merge(id, { ...placed, status: 'PENDING', reason: null, updated_at: created_at }, { revision })
  const user = await docs.users.get(user_id)
  if (user?.version) await docs.orders.merge(id, { user_name: user.name, user_email: user.email }, { revision: user.version })
}

export async function stockReserved(docs: Docs, { order_id: id, items, total, reserved_at }: StockReserved['data']): Promise<void> {
  await docs.orders.merge(id, { items, total, status: 'RESERVED', reason: null, updated_at: reserved_at }, { revision: RANK.reserved })
}

export async function orderCanceled(docs: Docs, { id, reason, canceled_at }: OrderCanceled['data']): Promise<void> {
  const revision = reason === 'out_of_stock' ? RANK.outOfStock : RANK.canceled
  await docs.orders.merge(id, { status: 'CANCELED', reason, updated_at: canceled_at }, { revision })
}

export async function orderPaid(docs: Docs, { id, paid_at }: OrderPaid['data']): Promise<void> {
  await docs.orders.merge(id, { status: 'PAID', reason: null, updated_at: paid_at }, { revision: RANK.paid })
}
