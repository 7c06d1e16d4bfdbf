import { OrderState } from '@two-apis/events'
import { messaging } from '../messaging.ts'

/** One handler, two topics. They keep no order between them, and each may come twice: `sold` is never taken back. */
messaging.handle(
  { topic: ['orders.created', 'orders.updated'], group: 'inventory', schema: OrderState },
  function syncInventory(order, { db }) {
    db.prepare(
      `INSERT INTO inventory (order_id, items_count, state) VALUES (?, ?, ?)
     ON CONFLICT (order_id) DO UPDATE SET state = excluded.state WHERE excluded.state = 'sold'`,
    ).run(order.order_id, order.items_count, order.status === 'paid' ? 'sold' : 'reserved')
  },
)
