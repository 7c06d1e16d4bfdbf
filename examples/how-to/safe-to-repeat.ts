import { DatabaseSync } from 'node:sqlite'
import { configureMessaging, defineEvent, type EventOf } from '@corebus/core'
import { migrate, sqlInbox, sqliteSession, sqlOutbox } from '@corebus/sql'
import { z } from 'zod'

export const OrderPaid = defineEvent('order.paid', z.object({ id: z.number(), amount: z.number() }), { topic: 'orders', key: 'id' })
export type OrderPaid = EventOf<typeof OrderPaid>
export const BillMade = defineEvent('bill.made', z.object({ order_id: z.number() }), { topic: 'bills', key: 'order_id' })

export const database = new DatabaseSync(':memory:')
database.exec(`
  CREATE TABLE totals (orders INTEGER NOT NULL);
  INSERT INTO totals VALUES (0);
  CREATE TABLE bills (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, amount INTEGER NOT NULL);
  CREATE TABLE states (order_id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, as_of TEXT NOT NULL);
`)

/** A provider's client. */
export const gateway = {
  async charge(_charge: { amount: number; idempotencyKey?: string }): Promise<void> {},
}

const session = sqliteSession(database)
const [inbox, outbox] = [sqlInbox(), sqlOutbox()]
await migrate(session, [inbox, outbox])
const messaging = configureMessaging<{ db: DatabaseSync }>({ service: 'shop', session, inbox, outbox })

// #region count-fault
messaging.on(OrderPaid, { group: 'totals', inbox: false }, (_, { db }) => {
  db.exec('UPDATE totals SET orders = orders + 1')
})
// #endregion count-fault
// #region count
messaging.on(OrderPaid, { group: 'totals-once' }, (_, { db }) => {
  db.exec('UPDATE totals SET orders = orders + 1')
})
// #endregion count

// #region charge-fault
messaging.on(OrderPaid, { group: 'charges' }, async ({ data: { id, amount } }, { db }) => {
  await gateway.charge({ amount })
  db.prepare('INSERT INTO bills (order_id, amount) VALUES (?, ?)').run(id, amount)
})
// #endregion charge-fault
// #region charge
messaging.on(OrderPaid, { group: 'charges-once', session: 'manual' }, async ({ data: { id, amount } }, { session }) => {
  await gateway.charge({ amount, idempotencyKey: `order-${id}` })
  await session(async (db) => {
    db.prepare('INSERT INTO bills (order_id, amount) VALUES (?, ?)').run(id, amount)
  })
})
// #endregion charge

// #region tell-fault
messaging.on(OrderPaid, { group: 'bills' }, async ({ data: { id, amount } }, { db, send }) => {
  await send('bills', { order_id: id })
  db.prepare('INSERT INTO bills (order_id, amount) VALUES (?, ?)').run(id, amount)
})
// #endregion tell-fault
// #region tell
messaging.on(OrderPaid, { group: 'bills-once' }, ({ data: { id, amount } }, { db, emit }) => {
  db.prepare('INSERT INTO bills (order_id, amount) VALUES (?, ?)').run(id, amount)
  emit(BillMade, { order_id: id })
})
// #endregion tell

// #region check-fault
messaging.on(OrderPaid, { group: 'checks', session: 'manual', inbox: false }, async ({ data: { id, amount } }, { session }) => {
  if (database.prepare('SELECT 1 FROM bills WHERE order_id = ?').get(id)) return
  await gateway.charge({ amount, idempotencyKey: `order-${id}` })
  await session(async (db) => {
    db.prepare('INSERT INTO bills (order_id, amount) VALUES (?, ?)').run(id, amount)
  })
})
// #endregion check-fault
// #region check
messaging.on(OrderPaid, { group: 'checks-once', session: 'manual', inbox: false }, async ({ data: { id, amount } }, { session }) => {
  await gateway.charge({ amount, idempotencyKey: `order-${id}` })
  await session(async (db) => {
    if (db.prepare('SELECT 1 FROM bills WHERE order_id = ?').get(id)) return
    db.prepare('INSERT INTO bills (order_id, amount) VALUES (?, ?)').run(id, amount)
  })
})
// #endregion check

// #region late-fault
messaging.on(OrderPaid, { group: 'states' }, ({ data: { id, amount }, timestamp }, { db }) => {
  db.prepare(
    'INSERT INTO states VALUES (?, ?, ?) ON CONFLICT (order_id) DO UPDATE SET amount = excluded.amount, as_of = excluded.as_of',
  ).run(id, amount, timestamp)
})
// #endregion late-fault
// #region late
messaging.on(OrderPaid, { group: 'states-newest' }, ({ data: { id, amount }, timestamp }, { db }) => {
  db.prepare(
    `INSERT INTO states VALUES (?, ?, ?)
     ON CONFLICT (order_id) DO UPDATE SET amount = excluded.amount, as_of = excluded.as_of WHERE excluded.as_of >= as_of`,
  ).run(id, amount, timestamp)
})
// #endregion late
