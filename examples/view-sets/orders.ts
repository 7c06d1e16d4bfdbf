import { event, getProducer } from '@corebus/core'
import { type ActionContext, action, ModelViewSet, type PerformContext } from '@corebus/hono'
import { sqlRepository } from '@corebus/sql'
import type { Context } from 'hono'
import { z } from 'zod'
import { OrderCreated, type OrderPlaced } from './events.ts'

const Item = z.object({ sku: z.string().min(1), quantity: z.int().positive(), price: z.number().nonnegative() })
const NewOrder = z.object({ user_id: z.int(), items: z.array(Item).min(1).max(100) })
type NewOrder = z.infer<typeof NewOrder>

interface Order extends NewOrder {
  readonly id: number
  readonly total: number
  readonly created_at: string
}

export const orders = sqlRepository<Order>({
  table: 'orders',
  columns: { id: 'integer', user_id: 'integer', items: 'json', total: 'number', created_at: 'time' },
})

const totalOf = (items: NewOrder['items']): number => items.reduce((sum, { quantity, price }) => sum + quantity * price, 0)

// #region head
export class OrderViewSet extends ModelViewSet<Order, NewOrder> {
  static override readonly only = ['list', 'retrieve', 'create', 'destroy']
  readonly repository = orders
  override readonly schema = NewOrder
  override readonly filters = ['user_id']
  override readonly sorts = ['total', 'created_at']
  // #endregion head

  // #region automatic
  /** POST /orders. The event has what is returned, as far as its schema knows it. It leaves when the row has been committed. */
  @event(OrderCreated)
  override async performCreate(data: NewOrder, context: PerformContext) {
    return super.performCreate({ ...data, total: totalOf(data.items), created_at: new Date().toISOString() }, context)
  }
  // #endregion automatic

  // #region manual
  /** The message has what you make of it. `send` waits until the broker has it: before the commit, so its reader may ask for an order that is not there yet, or never. */
  async performCreateManual(data: NewOrder, context: PerformContext) {
    const order = await super.performCreate({ ...data, total: totalOf(data.items), created_at: new Date().toISOString() }, context)
    const message: OrderPlaced = {
      order_id: order.id,
      user_id: order.user_id,
      total: order.total,
      items_count: order.items.length,
      created_at: order.created_at,
    }
    await getProducer().send('orders.created', message, { key: order.id })
    return order
  }

  /** POST /orders/manual */
  @action({ method: 'POST', path: 'manual', body: NewOrder })
  createManually(c: Context, { db, body }: ActionContext<unknown, NewOrder>) {
    return this.performCreateManual(body, { db, c })
  }
  // #endregion manual
}
