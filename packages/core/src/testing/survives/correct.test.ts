import { expect, test } from 'vitest'
import { RetryLater } from '../../errors.ts'
import { Booked, type Configured, inbox, OrderPaid, outbox, type Shop, tried } from './fixtures/shop.ts'
import type { SurvivesOptions } from './options.ts'

interface Correct {
  readonly handler: (shop: Shop) => void
  readonly options?: (shop: Shop) => SurvivesOptions
  readonly configured?: Configured
}

const UPSERT = `INSERT INTO states VALUES (?, ?, ?)
  ON CONFLICT DO UPDATE SET amount = excluded.amount, as_of = excluded.as_of WHERE excluded.as_of >= as_of`

const CORRECT: Readonly<Record<string, Correct>> = {
  'a counter behind an inbox': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount } }, { db }) => {
        db.prepare('UPDATE accounts SET balance = balance + ? WHERE id = ?').run(amount, id)
      }),
    configured: { inbox },
  },
  'a mark of its own, in the transaction of the effect': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount } }, { db, id: message }) => {
        if (db.prepare('INSERT INTO marks VALUES (?) ON CONFLICT DO NOTHING').run(message).changes === 0) return
        db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount)
        db.prepare('UPDATE accounts SET balance = balance + ? WHERE id = ?').run(amount, id)
      }),
  },
  'a row that is written once': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id } }, { db }) => {
        db.prepare("INSERT INTO states VALUES (?, 0, '') ON CONFLICT DO NOTHING").run(id)
      }),
  },
  'a state that no older one replaces': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount }, timestamp }, { db }) => {
        db.prepare(UPSERT).run(id, amount, timestamp)
      }),
    options: () => ({ newer: { id: 1, amount: 25 } }),
  },
  'a charge with the key of its order': {
    handler: ({ messaging, gateway }) =>
      messaging.on(OrderPaid, {}, async ({ data: { id, amount } }, { db }) => {
        await gateway.charge({ amount, idempotencyKey: `order-${id}` })
        db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount)
      }),
    configured: { inbox },
  },
  'a charge outside of the transaction that keeps it': {
    handler: ({ messaging, gateway }) =>
      messaging.on(OrderPaid, { session: 'manual' }, async ({ data: { id, amount } }, { session, emit }) => {
        await gateway.charge({ amount, idempotencyKey: `order-${id}` })
        await session(async (db) => {
          db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount)
          emit(Booked, { id })
        })
      }),
    configured: { inbox, outbox },
  },
  'a charge that is looked for before it is made': {
    handler: ({ messaging, gateway }) =>
      messaging.on(OrderPaid, {}, async ({ data: { id, amount } }, { db }) => {
        const key = `order-${id}`
        if ((await gateway.find(key)) === undefined) await gateway.charge({ amount, idempotencyKey: key })
        db.prepare('UPDATE accounts SET balance = ? WHERE id = ?').run(amount, id)
      }),
    options: () => ({ ignore: ['gateway.find'] }),
  },
  'an event in the transaction of its rows': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount } }, { db, emit }) => {
        db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount)
        emit(Booked, { id })
      }),
    configured: { inbox, outbox },
  },
  'an event of the same id each time, and a row that is the same each time': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount }, timestamp }, { db, emit }) => {
        db.prepare(UPSERT).run(id, amount, timestamp)
        emit(Booked, { id })
      }),
  },
  'a check in the transaction that writes': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount } }, { db }) => {
        if (db.prepare('SELECT 1 FROM payments WHERE order_id = ?').get(id)) return
        db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount)
        db.prepare('UPDATE accounts SET balance = balance + ? WHERE id = ?').run(amount, id)
      }),
  },
  'a plain message that its readers may get twice': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, { session: false }, async ({ data }, { send }) => send('order-states', data, { key: data.id })),
    options: () => ({ idempotent: ['order-states'] }),
  },
  'a handler that fails before it succeeds': {
    handler: ({ messaging, gateway }) =>
      messaging.on(OrderPaid, {}, async ({ data: { id, amount } }, { db, attempt }) => {
        await gateway.charge({ amount, idempotencyKey: `order-${id}` })
        db.prepare('UPDATE accounts SET balance = balance + ? WHERE id = ?').run(amount, id)
        if (attempt === 1) throw new RetryLater(1_000)
      }),
    configured: { inbox },
  },
  'rows that are numbered as they come, of whatever order': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id, amount } }, { db }) => {
        db.prepare('INSERT INTO payments (order_id, amount) VALUES (?, ?)').run(id, amount)
      }),
    options: () => ({ newer: { id: 1, amount: 25 } }),
    configured: { inbox },
  },
  'a charge that its provider refuses to make again': {
    handler: ({ messaging, gateway }) =>
      messaging.on(OrderPaid, { session: false }, async ({ data: { id, amount } }) => {
        await gateway.chargeOnce(`order-${id}`, amount).catch(() => undefined)
      }),
  },
  'an error for the next message of a key': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id } }, { db }) => {
        db.prepare('INSERT INTO accounts VALUES (?, 0)').run(id + 1)
      }),
    // The mark of whichever came first.
    options: () => ({ ignore: ['marks'] }),
    configured: { inbox },
  },
  'a row that is deleted': {
    handler: ({ messaging }) =>
      messaging.on(OrderPaid, {}, ({ data: { id } }, { db }) => {
        db.prepare('DELETE FROM accounts WHERE id = ?').run(id)
      }),
  },
}

test.each(Object.entries(CORRECT))('it is silent on %s', async (_, { handler, options, configured }) => {
  expect(await tried(handler, options, configured)).toEqual([])
})
