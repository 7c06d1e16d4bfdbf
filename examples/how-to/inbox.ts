import type { DatabaseSync } from 'node:sqlite'
import { type Messaging as AnyMessaging, createMessaging } from '@corebus/core'
import { migrate, sqlInbox, sqliteSession } from '@corebus/sql'
import { z } from 'zod'
import { OrderShipped } from './events.ts'

type Messaging = AnyMessaging<{ db: DatabaseSync }>

export async function messagingOver(database: DatabaseSync): Promise<Messaging> {
  // #region configured
  const session = sqliteSession(database)
  const inbox = sqlInbox()
  await migrate(session, [inbox]) // makes the table `processed_events` where it is missing
  return createMessaging<{ db: DatabaseSync }>({ broker: 'memory', service: 'billing', session, inbox })
  // #endregion configured
}

export function countIn(messaging: Messaging): void {
  // #region counts
  messaging.on(OrderShipped, { group: 'billing' }, async ({ data }, { db }) => {
    db.prepare('INSERT INTO shipped (order_id) VALUES (?)').run(data.order_id)
    db.exec('UPDATE totals SET orders = orders + 1')
  })
  // #endregion counts
}

const StockLevel = z.object({ sku: z.string(), pieces: z.number(), counted_at: z.number() })

export function withoutInbox(messaging: Messaging): void {
  // #region without
  messaging.handle(
    { topic: 'stock.levels', group: 'stock', schema: StockLevel, inbox: false },
    async ({ sku, pieces, counted_at }, { db }) => {
      // An older level changes nothing, and neither does the same one again.
      db.prepare(
        'INSERT INTO stock VALUES (?, ?, ?) ON CONFLICT (sku) DO UPDATE SET pieces = excluded.pieces, counted_at = excluded.counted_at WHERE excluded.counted_at > counted_at',
      ).run(sku, pieces, counted_at)
    },
  )
  // #endregion without
}

const ErpOrder = z.object({ number: z.string(), version: z.number() })

export function ofOthers(messaging: Messaging): void {
  // #region key
  messaging.handle(
    { topic: 'erp.orders', group: 'billing', schema: ErpOrder, inboxKey: (order) => `${order.number}/${order.version}` },
    async (order, { db }) => {
      db.prepare('INSERT INTO erp_orders VALUES (?, ?)').run(order.number, order.version)
    },
  )
  // #endregion key
}
