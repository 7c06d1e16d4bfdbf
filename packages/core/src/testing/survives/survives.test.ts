import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { createMessaging } from '../../messaging.ts'
import { survives, testApp } from '../index.ts'
import { Booked, Gateway, inbox, OrderPaid, paid, sessionOn, tried } from './fixtures/shop.ts'

test('what was replaced and what was written is as it was before, and the app goes on', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec('CREATE TABLE payments (amount INTEGER); INSERT INTO payments VALUES (1)')
  const gateway = new Gateway()
  const { charge } = gateway
  const messaging = createMessaging({ service: 'shop', session: sessionOn(database) })
  messaging.on(OrderPaid, { group: 'bills' }, async ({ data: { id, amount } }, { db, emit }) => {
    await gateway.charge({ amount })
    db.prepare('INSERT INTO payments VALUES (?)').run(amount)
    emit(Booked, { id })
  })
  await using app = await testApp({ messaging })
  expect(await survives(app, OrderPaid, paid, { outside: { gateway } })).not.toEqual([])
  expect([Object.keys(gateway), gateway.charge === charge]).toEqual([['charged'], true])
  expect(database.prepare('SELECT amount FROM payments').all()).toEqual([{ amount: 1 }])
  expect([app.published(), app.handled()]).toEqual([[], []])
  await app.publish(OrderPaid, paid)
  await app.settled()
  expect(app.published(Booked)).toMatchObject([{ data: { id: 1 } }])
  expect(app.handled(OrderPaid, { group: 'bills' })).toHaveLength(1)
})

test('a call of a dead run has no effect, and a call that waits never comes back', async () => {
  const after: string[] = []
  const findings = await tried(
    ({ messaging, gateway, mails, database }) =>
      messaging.on(OrderPaid, { session: false }, async ({ data: { id, amount } }) => {
        try {
          await gateway.charge({ amount, idempotencyKey: `order-${id}` })
          after.push('charged')
          mails.send(id)
        } catch {
          after.push('swallowed')
          database.exec('UPDATE accounts SET balance = -1')
          mails.send(-1)
        }
      }),
    ({ database, gateway, mails }) => ({ outside: { database, gateway, mails }, seeds: 1 }),
  )
  expect(findings).toContain('killed after call 2 of 2 (mails.send), delivered again: mails.send 2 instead of 1')
  expect(findings.filter((one) => one.includes('balance'))).toEqual([])
  // A run is killed after each call: the run that is killed after the first comes no further, and the other one gets an error for it.
  expect(after.filter((one) => one === 'swallowed')).toHaveLength(1)
})

test('a session that the handler opens by itself is rolled back with its run, and nothing is left open', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec('CREATE TABLE payments (amount INTEGER)')
  const write = sessionOn(database)
  const messaging = createMessaging({ service: 'shop', session: { write, read: write } })
  messaging.on(OrderPaid, { session: false }, async ({ data: { amount } }) => {
    await messaging.session(async (db) => {
      db.prepare('INSERT INTO payments VALUES (?)').run(amount)
      await turn()
      db.prepare('INSERT INTO payments VALUES (?)').run(-amount)
    })
  })
  await using app = await testApp({ messaging })
  expect(await survives(app, OrderPaid, paid, { seeds: 1 })).toEqual([
    'killed after call 3 of 3 (the commit), delivered again: payments 4 instead of 2',
    'delivered twice: payments 4 instead of 2',
  ])
  await app.settled()
})

test('of a class all instances are meant, and of a handler only those that are asked for', async () => {
  const messaging = createMessaging({ service: 'shop' })
  messaging.on(OrderPaid, { group: 'a' }, async function first({ data: { amount } }) {
    await new Gateway().charge({ amount })
  })
  messaging.on(OrderPaid, { group: 'b' }, async function second() {})
  await using app = await testApp({ messaging })
  const outside = { gateway: Gateway }
  const findings = await survives(app, OrderPaid, paid, { outside })
  expect(findings[0]).toMatch(
    /^first \(on\(order.paid\)\) at .*: killed after call 1 of 1 \(gateway.charge\), delivered again: gateway.charge 2/,
  )
  expect(await survives(app, OrderPaid, paid, { outside, group: 'a' })).toContain('delivered twice: gateway.charge 2 instead of 1')
  expect(await survives(app, OrderPaid, paid, { outside, handler: 'second' })).toEqual([])
  await expect(survives(app, OrderPaid, paid, { group: 'c' })).rejects.toThrow(
    /no handler in group c that runs in this app takes order.paid of orders. There are first .* \(order.paid of orders, group a\); second /,
  )
})

test('a message that is none of an event is delivered to who takes messages of its topic', async () => {
  const gateway = new Gateway()
  const messaging = createMessaging({ service: 'shop' })
  messaging.handle({ topic: 'charges' }, ({ amount }: { amount: number }) => gateway.charge({ amount }))
  await using app = await testApp({ messaging })
  expect(await survives(app, 'charges', { amount: 1 }, { outside: { gateway }, key: 'a' })).toContain(
    'delivered twice: gateway.charge 2 instead of 1',
  )
})

test('a group that keeps the order of a key is not given an older message after a newer one', async () => {
  const findings = await tried(
    ({ messaging }) =>
      messaging.on(OrderPaid, { ordering: 'key' }, ({ data: { id, amount } }, { db }) => {
        db.prepare('UPDATE accounts SET balance = ? WHERE id = ?').run(amount, id)
      }),
    () => ({ newer: { id: 1, amount: 25 } }),
  )
  expect(findings).toEqual([])
})

test('a database that is not known is compared by a snapshot, and begins anew by a reset', async () => {
  const rows: { id: number }[] = []
  const messaging = createMessaging({ service: 'shop', session: (work) => work(rows as never) })
  messaging.on(OrderPaid, {}, async ({ data: { id } }, { db }) => {
    ;(db as unknown as typeof rows).push({ id })
  })
  await using app = await testApp({ messaging })
  const snapshot = () => ({ rows: [...rows] })
  const reset = () => {
    rows.length = 0
  }
  expect(await survives(app, OrderPaid, paid, { snapshot, reset })).toContain('delivered twice: rows 2 instead of 1')
  const blind = await survives(app, OrderPaid, paid)
  expect([blind, blind.unseen]).toEqual([[], [expect.stringContaining('the rows of its database')]])
})

test('what is another one each time is not compared, and said', async () => {
  let n = 0
  const findings = await tried(({ messaging }) =>
    messaging.on(OrderPaid, {}, ({ data: { id } }, { db }) => {
      db.prepare('INSERT INTO states VALUES (?, ?, ?) ON CONFLICT DO NOTHING').run(id, n++, 'then')
    }),
  )
  expect([[...findings], findings.unseen]).toEqual([[], [expect.stringMatching(/^states.amount of .* another one each time/)]])
})

test('it says once what it could not see: requests, fields of the instance, a handler that calls nothing', async () => {
  const server = createServer((_, response) => response.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const messaging = createMessaging({ service: 'shop' })
  messaging.on(OrderPaid, {}, async function asks() {
    await fetch(at).then((answer) => answer.text())
  })
  await using app = await testApp({ messaging })
  try {
    const { unseen } = await survives(app, OrderPaid, paid)
    await survives(app, OrderPaid, paid)
    expect(unseen).toEqual([
      expect.stringMatching(`^the requests to ${at} of asks .*: give it an object for them`),
      expect.stringMatching(/^any call of asks /),
    ])
    expect(warn.mock.calls.map(([said]) => said)).toEqual(unseen.map((one) => `survives() could not see ${one}`))
  } finally {
    warn.mockRestore()
    server.close()
    server.closeAllConnections()
  }
})

test('what a call does in turn, and what the runtime does by itself, are no calls of the handler', async () => {
  const findings = await tried(
    ({ messaging, gateway, mails }) =>
      messaging.on(OrderPaid, {}, async ({ data: { id, amount } }) => {
        await gateway.chargeOnce(`order-${id}`, amount).catch(() => undefined)
        mails.send(id)
      }),
    ({ database, gateway, mails }) => ({ outside: { database, gateway, mails } }),
    { inbox },
  )
  expect(findings).toEqual(['killed after call 2 of 3 (mails.send), delivered again: mails.send 2 instead of 1'])
})

test('a later attempt is killed too', async () => {
  const findings = await tried(
    ({ messaging, gateway }) =>
      messaging.on(OrderPaid, {}, async ({ data: { amount } }, { attempt }) => {
        await gateway.find('order')
        if (attempt === 1) throw new Error('not yet')
        await gateway.charge({ amount })
      }),
    () => ({ ignore: ['gateway.find'] }),
    { inbox },
  )
  expect(findings).toEqual(['killed after call 3 of 4 (gateway.charge), delivered again: gateway.charge 2 instead of 1'])
})

test('a connection of the module that also reads for sessions is as it was when its run is dead', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec('CREATE TABLE payments (id INTEGER)')
  const write = sessionOn(database)
  const messaging = createMessaging({
    service: 'shop',
    session: {
      write,
      read: (work) =>
        write(async (db) => {
          db.exec('PRAGMA query_only = ON')
          try {
            return await work(db)
          } finally {
            db.exec('PRAGMA query_only = OFF')
          }
        }),
    },
  })
  messaging.on(OrderPaid, { session: 'read' }, async (_, { db }) => {
    db.prepare('SELECT * FROM payments').all()
    await turn()
  })
  messaging.on(OrderPaid, { session: false, group: 'by-hand' }, async ({ data: { id } }) => {
    database.exec('BEGIN')
    database.prepare('INSERT INTO payments VALUES (?)').run(id)
    database.exec('COMMIT')
  })
  await using app = await testApp({ messaging })
  expect(await survives(app, OrderPaid, paid, { outside: { database }, group: 'shop' })).toEqual([])
  expect(await survives(app, OrderPaid, paid, { outside: { database }, group: 'by-hand' })).toEqual([
    'delivered twice: payments 2 instead of 1',
  ])
  database.exec('INSERT INTO payments VALUES (1)')
  expect(database.isTransaction).toBe(false)
})

test('one trial at a time has an app', async () => {
  const messaging = createMessaging({ service: 'shop' })
  messaging.on(OrderPaid, {}, () => undefined)
  await using app = await testApp({ messaging })
  const first = survives(app, OrderPaid, paid)
  await expect(survives(app, OrderPaid, paid)).rejects.toThrow(/survives\(\) at .*survives.test.ts:\d+ is not over/)
  expect(await first).toEqual([])
  expect(await survives(app, OrderPaid, paid)).toEqual([])
})

test('a handler that never ends in a history is told', async () => {
  let calls = 0
  const findings = await tried(
    ({ messaging }) => messaging.on(OrderPaid, { session: false }, () => (++calls === 9 ? new Promise(() => {}) : undefined)),
    () => ({ seeds: 1 }),
  )
  expect(findings).toEqual([expect.stringMatching(/: it does not end$/)])
})

test.each([
  ['a handler that fails by itself', /cannot say anything of .*: it fails: no customer, though nothing is done to it/, {}],
  ['a newer message of another key', /newer has the key 2, and the message has 1/, { newer: { id: 2, amount: 1 } }],
  ['an outside without methods', /outside.gateway must be an object with methods/, { outside: { gateway: {} } }],
  ['a function outside', /outside.charge must be .* a function: put it into an object/, { outside: { charge: () => undefined } }],
  [
    'an outside that is frozen',
    /charge of an object of outside cannot be replaced/,
    { outside: { gateway: Object.freeze({ charge() {} }) } },
  ],
  ['an option that there is not', /outsides is not an option. Did you mean outside/, { outsides: {} }],
])('%s is an error, and nothing is left replaced', async (_, error, options) => {
  const database = new DatabaseSync(':memory:')
  const write = sessionOn(database)
  const session = { write, read: write }
  const messaging = createMessaging({ service: 'shop', session })
  messaging.on(OrderPaid, {}, () => {
    throw new Error('no customer')
  })
  await using app = await testApp({ messaging })
  await expect(survives(app, OrderPaid, paid, options as object)).rejects.toThrow(error)
  expect(session).toEqual({ write, read: write })
})

test('an inbox that a reset does not empty is told', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec('CREATE TABLE marks (id TEXT PRIMARY KEY)')
  const messaging = createMessaging({ service: 'shop', session: sessionOn(database), inbox })
  messaging.on(OrderPaid, {}, () => undefined)
  await using app = await testApp({ messaging })
  await expect(survives(app, OrderPaid, paid, { snapshot: () => [], reset: () => undefined })).rejects.toThrow(/inbox/)
})
