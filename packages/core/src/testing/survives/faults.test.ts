import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { Booked, type Configured, inbox, OrderPaid, type Shop, tried } from './fixtures/shop.ts'
import type { SurvivesOptions } from './options.ts'

interface Fault {
  readonly handler: (shop: Shop) => void
  readonly options?: (shop: Shop) => SurvivesOptions
  readonly configured?: Configured
  /** The sentence that must be among the findings. */
  readonly finding: string
}

const FAULTS: Readonly<Record<string, Fault>> = {
  'a charge without a key, before its row': {
    handler: ({ messaging, gateway }) =>
      messaging.on(OrderPaid, {}, async ({ data: { id, amount } }, { db }) => {
        await gateway.charge({ amount })
        db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount)
      }),
    configured: { inbox },
    finding: 'killed after call 1 of 3 (gateway.charge), delivered again: gateway.charge 2 instead of 1',
  },
  'a charge with a key that is another one each time': {
    handler: ({ messaging, gateway }) =>
      messaging.on(OrderPaid, {}, async ({ data: { amount } }) => gateway.charge({ amount, idempotencyKey: randomUUID() })),
    configured: { inbox },
    finding: 'killed after call 1 of 2 (gateway.charge), delivered again: gateway.charge 2 instead of 1',
  },
  'a mail before the commit': {
    handler: ({ messaging, mails }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount } }, { db }) => {
        mails.send(id)
        db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount)
      }),
    configured: { inbox },
    finding: 'killed after call 1 of 3 (mails.send), delivered again: mails.send 2 instead of 1',
  },
  'an event before the commit': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, async ({ data: { id, amount } }, { db, send }) => {
        await send('told', { id })
        db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount)
      }),
    configured: { inbox },
    finding: 'killed after call 1 of 3 (publish told), delivered again: told 2 instead of 1',
  },
  'an event after a commit that marks its message': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id } }, { db, id: message, emit }) => {
        if (db.prepare('INSERT INTO marks VALUES (?) ON CONFLICT DO NOTHING').run(message).changes === 0) return
        emit(Booked, { id })
      }),
    finding: 'killed after call 2 of 3 (the commit), delivered again: booked 0 instead of 1',
  },
  'a counter without a mark': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount } }, { db }) => {
        db.prepare('UPDATE accounts SET balance = balance + ? WHERE id = ?').run(amount, id)
      }),
    finding: 'delivered twice: accounts.balance 20 instead of 10',
  },
  'a check of what nobody else can see yet': {
    handler: ({ messaging, database, gateway }) =>
      messaging.on(OrderPaid, { session: 'manual' }, async ({ data: { id, amount } }, { session }) => {
        if (database.prepare('SELECT 1 FROM payments WHERE order_id = ?').get(id)) return
        await gateway.charge({ amount })
        await session(async (db) => db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount))
      }),
    finding: 'delivered twice at once (seed 1): payments 2 instead of 1, gateway.charge 2 instead of 1',
  },
  'an effect before the check': {
    handler: ({ messaging, gateway }) =>
      messaging.on(OrderPaid, {}, async ({ data: { amount } }, { db, id }) => {
        await gateway.charge({ amount })
        if (db.prepare('INSERT INTO marks VALUES (?) ON CONFLICT DO NOTHING').run(id).changes === 0) return
        db.prepare('INSERT INTO payments (order_id, amount) VALUES (1, ?)').run(amount)
      }),
    finding: 'delivered twice: gateway.charge 2 instead of 1',
  },
  'a mark that is committed before the effect': {
    handler: ({ messaging, database, gateway }) =>
      messaging.on(OrderPaid, { session: false }, async ({ data: { id, amount } }, { id: message }) => {
        if (database.prepare('INSERT INTO marks VALUES (?) ON CONFLICT DO NOTHING').run(message).changes === 0) return
        await gateway.charge({ amount, idempotencyKey: `order-${id}` })
      }),
    options: ({ database, gateway }) => ({ outside: { database, gateway } }),
    finding: 'killed after call 1 of 2 (database: INSERT INTO marks), delivered again: gateway.charge 0 instead of 1',
  },
  'two writes that are committed one by one': {
    handler: ({ messaging, database }) =>
      messaging.on(OrderPaid, { session: false }, ({ data: { id, amount } }) => {
        if (database.prepare('SELECT 1 FROM payments WHERE order_id = ?').get(id)) return
        database.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount)
        database.prepare('UPDATE accounts SET balance = balance + ? WHERE id = ?').run(amount, id)
      }),
    options: ({ database }) => ({ outside: { database } }),
    finding: 'killed after call 2 of 3 (database: INSERT INTO payments), delivered again: accounts.balance 0 instead of 10',
  },
  'the last write wins, also an older one': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount }, timestamp }, { db }) => {
        db.prepare('INSERT INTO states VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = excluded.amount, as_of = excluded.as_of').run(
          id,
          amount,
          timestamp,
        )
      }),
    options: () => ({ newer: { id: 1, amount: 25 } }),
    configured: { inbox },
    finding: 'delivered after a newer one of its key: states.amount 10 instead of 25, states.as_of',
  },
  'an update of what was read before its transaction': {
    handler: ({ messaging, database, gateway }) =>
      messaging.on(OrderPaid, { session: 'manual' }, async ({ data: { id, amount } }, { session }) => {
        const balance = Number(database.prepare('SELECT balance FROM accounts WHERE id = ?').get(id)?.balance)
        await gateway.find(`order-${id}`)
        await session(async (db) => db.prepare('UPDATE accounts SET balance = ? WHERE id = ?').run(balance + amount, id))
      }),
    options: () => ({ ignore: ['gateway.find'] }),
    configured: { inbox },
    finding: 'delivered at once with a newer one of its key (seed 1): accounts.balance 10 instead of 20',
  },
  'a row that must not be there yet': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount }, timestamp }, { db }) => {
        db.prepare('INSERT INTO states VALUES (?, ?, ?)').run(id, amount, timestamp)
      }),
    finding: 'delivered twice: it fails: UNIQUE constraint failed: states.id',
  },
  'an error of a call that is swallowed': {
    handler: ({ messaging, mails }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount } }, { db }) => {
        try {
          mails.send(id)
        } catch {
          db.prepare('UPDATE accounts SET balance = -1').run()
        }
        db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount)
      }),
    configured: { inbox },
    finding: 'killed after call 1 of 3 (mails.send), delivered again: mails.send 2 instead of 1',
  },
}

test.each(Object.entries(FAULTS))('it finds %s', async (_, { handler, options, configured, finding }) => {
  const findings = await tried(handler, options, configured)
  expect(findings.filter((one) => one.startsWith(finding))).not.toEqual([])
  expect({ findings }).toEqual({ findings: expect.arrayContaining([expect.stringContaining(finding)]) })
})
