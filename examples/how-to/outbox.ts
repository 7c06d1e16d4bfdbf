import type { DatabaseSync } from 'node:sqlite'
import { createMessaging, defineEvent, type Messaging } from '@corebus/core'
import { migrate, sqliteSession, sqlOutbox } from '@corebus/sql'
import { z } from 'zod'

export const PaymentDue = defineEvent('payment.due', z.object({ order: z.number() }), { topic: 'reminders' })

export async function configured(database: DatabaseSync): Promise<Messaging<{ db: DatabaseSync }>> {
  // #region configured
  const session = sqliteSession(database) // or that of your database library
  const outbox = sqlOutbox()
  await migrate(session, [outbox]) // makes the tables `outbox`, `outbox_delayed`, `outbox_dead` ... where they are missing
  return createMessaging({ broker: 'memory', service: 'orders', session, outbox })
  // #endregion configured
}

export async function order(messaging: Messaging<{ db: DatabaseSync }>, id: number): Promise<void> {
  // #region delayed
  await messaging.session(async (db) => {
    db.prepare('INSERT INTO orders (id) VALUES (?)').run(id)
    messaging.emit(PaymentDue, { order: id }, { delayMs: 3 * 86_400_000, id: `payment-due-${id}` })
  })
  // #endregion delayed
}

export async function pay(messaging: Messaging<{ db: DatabaseSync }>, id: number): Promise<boolean> {
  // #region cancel
  return messaging.session(async (db) => {
    db.prepare('UPDATE orders SET paid = 1 WHERE id = ?').run(id)
    return messaging.cancel(`payment-due-${id}`)
  })
  // #endregion cancel
}
