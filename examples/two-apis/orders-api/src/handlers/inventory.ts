import { OrderState } from '@two-apis/events'
import { messaging } from '../messaging.ts'

/**
 * The handler has two topics, which keep no order between them: `sold` is never taken back. The same state may be told in two messages, each with an id
 * of its own, so the second one of them changes nothing; that needs no inbox.
 */
messaging.handle(
  { topic: ['orders.created', 'orders.updated'], group: 'inventory', schema: OrderState, inbox: false },
  function syncInventory(order, { db }) {
    db.prepare(
      `INSERT INTO inventory (order_id, items_count, state) VALUES (?, ?, ?)
     ON CONFLICT (order_id) DO UPDATE SET state = excluded.state WHERE excluded.state = 'sold'`,
    ).run(order.order_id, order.items_count, order.status === 'paid' ? 'sold' : 'reserved')
  },
)
