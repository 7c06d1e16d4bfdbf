import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { createMessaging, type Messaging } from '@corebus/core'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { migrate } from '../database/schema.ts'
import { add, freshDatabase, ids, temporaryFolder } from '../fixtures/database.ts'
import { until } from '../fixtures/outbox-suite.ts'
import { sqliteSession } from '../session/sqlite.ts'
import { type SqlOutboxOptions, sqlOutbox } from './outbox.ts'
import { outboxStore } from './store.ts'

/** An API with an outbox, on a broker in a file that another instance reads. */
async function api(options: SqlOutboxOptions = {}) {
  const { database } = freshDatabase()
  const url = `sqlite:${join(temporaryFolder(), 'broker.db')}`
  const common = { broker: 'sqlite', url, env: {}, logger: pino({ level: 'silent' }) } as const
  const outbox = sqlOutbox({ pollMs: 50, ...options })
  const session = sqliteSession(database)
  await migrate(session.database, [outbox.feature])
  const messaging = createMessaging<{ db: DatabaseSync }>({ ...common, service: 'orders-api', session, outbox })
  const reader = createMessaging({ ...common, service: 'reader' })
  const seen: string[] = []
  reader.handle({ topic: 'orders', group: 'reader' }, (_: unknown, { id }) => void seen.push(id))
  onTestFinished(async () => void (await Promise.all([messaging.close(), reader.close()])))
  await reader.start()
  return { database, session, messaging, seen, store: outboxStore(session.database) }
}

test('an outbox in another database than the sessions is refused at start, and in a process without handlers before it loses anything', async () => {
  const [ours, theirs] = [sqliteSession(freshDatabase().database), sqliteSession(freshDatabase().database)]
  for (const sessions of [ours, theirs]) await migrate(sessions, [sqlOutbox().feature])
  const refused = { code: 'SQL_DATABASE', message: expect.stringMatching(/another one/) }
  const make = () => {
    const options = { broker: 'memory', service: 'a', env: {}, logger: pino({ level: 'silent' }) } as const
    const messaging = createMessaging<{ db: DatabaseSync }>({ ...options, session: ours, outbox: sqlOutbox({ database: theirs }) })
    onTestFinished(() => messaging.close())
    return messaging
  }
  const consumer = make()
  consumer.handle({ topic: 'orders' }, () => undefined)
  await expect(consumer.start()).rejects.toMatchObject(refused)
  await consumer.close()
  const api = make()
  await expect
    .poll(() => api.session(async () => placed(api, 'x')).catch((thrown: unknown) => thrown), { timeout: 10_000 })
    .toMatchObject(refused)
})

const placed = (messaging: Messaging<{ db: DatabaseSync }>, id: string) => messaging.emit('order.placed', { id }, { topic: 'orders', id })

test('rows and events of a session commit together, and reach a handler; what is rolled back leaves neither', async () => {
  const { database, messaging, seen } = await api()
  // #region session
  await messaging.session(async (db) => {
    db.prepare('INSERT INTO orders VALUES (?)').run(1)
    messaging.emit('order.placed', { id: 1 }, { topic: 'orders', id: 'one' })
  })
  // #endregion session
  const failing = messaging.session(async (db) => {
    add(db, 2)
    placed(messaging, 'two')
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  await messaging.session(async (db) => {
    add(db, 3)
    placed(messaging, 'three')
  })
  await until(() => seen.length === 2)
  expect([ids(database), seen.toSorted()]).toEqual([
    [1, 3],
    ['one', 'three'],
  ])
})

test('an event of a handler is a row of its session, and leaves after it', async () => {
  const { database, messaging, seen } = await api()
  messaging.handle({ topic: 'in', group: 'g', maxRetries: 1, retryDelayMs: 10 }, async (_: unknown, { db, emit, attempt }) => {
    add(db, attempt)
    emit('order.placed', {}, { topic: 'orders', id: `attempt ${attempt}` })
    if (attempt === 1) throw new Error('once')
  })
  await messaging.start()
  await messaging.getProducer().send('in', 1)
  await until(() => seen.length > 0)
  expect([ids(database), seen]).toEqual([[2], ['attempt 2']])
})

test('publishEvent writes into a transaction of the user, which is found without being told of its commit', async () => {
  const { database, messaging, seen, store } = await api({ pollMs: 60_000 })
  await messaging.session(async () => undefined)
  // The relay has written whose outbox it is, on this connection.
  const marked = () => typeof database.prepare('SELECT owner FROM outbox_parts WHERE part = -2').get()?.owner === 'string'
  await until(() => marked() && !database.isTransaction)
  // #region tx
  database.exec('BEGIN IMMEDIATE')
  database.prepare('INSERT INTO orders VALUES (?)').run(1)
  await messaging.publishEvent('order.placed', { id: 1 }, { topic: 'orders', id: 'theirs', tx: database })
  database.exec('COMMIT')
  // #endregion tx
  await until(() => seen.length === 1)
  await until(async () => (await store.status()).waiting === 0)
  expect([seen, ids(database)]).toEqual([['theirs'], [1]])
})

test('publishEvent with delayMs waits in the outbox, and cancel says whether it came in time', async () => {
  const { messaging, seen, store } = await api()
  await messaging.publishEvent('order.placed', {}, { topic: 'orders', id: 'soon', delayMs: 100 })
  await messaging.publishEvent('order.placed', {}, { topic: 'orders', id: 'never', delayMs: 3_600_000 })
  expect(await store.list('delayed')).toMatchObject([{ id: 'soon' }, { id: 'never', dueAt: expect.any(Number) }])
  expect(await messaging.cancel('never')).toBe(true)
  await until(() => seen.includes('soon'))
  expect(await messaging.cancel('soon')).toBe(false)
  expect(await messaging.cancel('never')).toBe(false)
})

test('a delay and a time that no date can have are refused before anything is written', async () => {
  const { messaging, database, store } = await api({ relay: false })
  const wrong = [
    { delayMs: 8.64e15 },
    { delayMs: Number.NaN },
    { delayMs: -1 },
    { at: new Date('nonsense') },
    { at: 8.64e15 + 1 },
    { at: Number.NaN },
  ]
  for (const options of wrong) {
    const refused = { code: 'OPTION', message: expect.stringMatching(/delayMs|\bat\b/) }
    await expect(messaging.publishEvent('order.placed', {}, { topic: 'orders', ...options })).rejects.toMatchObject(refused)
    const session = messaging.session(async (db) => {
      add(db, 1)
      messaging.emit('order.placed', {}, { topic: 'orders', ...options })
    })
    await expect(session).rejects.toMatchObject(refused)
  }
  expect([ids(database), await store.status()]).toEqual([[], expect.objectContaining({ waiting: 0, delayed: 0 })])
  await messaging.publishEvent('order.placed', {}, { topic: 'orders', id: 'far', at: new Date(8.64e15) })
  expect((await store.list('delayed')).map(({ dueAt = 0 }) => new Date(dueAt).toISOString())).toEqual(['+275760-09-13T00:00:00.000Z'])
})

test('what a session committed last is published before the instance is closed', async () => {
  const { messaging, seen, store } = await api()
  await messaging.session(async () => placed(messaging, 'last'))
  await messaging.close()
  expect(await store.status()).toMatchObject({ waiting: 0 })
  await until(() => seen.includes('last'))
})

test('an instance whose tables are missing does not start', async () => {
  const { database } = freshDatabase()
  const messaging = createMessaging({
    broker: 'memory',
    service: 'orders-api',
    env: {},
    logger: pino({ level: 'silent' }),
    session: sqliteSession(database),
    outbox: sqlOutbox(),
  })
  onTestFinished(() => messaging.close())
  messaging.handle({ topic: 'in', group: 'g' }, () => undefined)
  await expect(messaging.start()).rejects.toThrow(/the tables of outbox are not in .*migrate\(\)/)
})
