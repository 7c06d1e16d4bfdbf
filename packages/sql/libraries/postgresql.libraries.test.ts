import { readFileSync } from 'node:fs'
import { createMessaging, type Messaging } from '@corebus/core'
import { kyselySession, migrate, outboxStore, pgSession, sqlInbox, sqlOutbox } from '@corebus/sql'
import type { Pool, PoolClient } from 'pg'
import { pino } from 'pino'
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { ofPgPool } from '../src/database/pg.ts'
import { deleteExpired, takeCleanUp } from '../src/inbox/table.ts'
import { emptyTables } from '../src/relay/rotate.ts'

const { postgres: url = '' } = inject('servers')
const installed = inject('librariesInstalled')
const SLOW = { timeout: 60_000 }
/** A row of a kilobyte each: more than what a table is left alone with. */
const MANY = 2_000
const silent = pino({ level: 'silent' })

/** A database with the tables of outbox and inbox, and pools of its users. */
async function withTables(name: string) {
  const { fresh } = await import('./databases.ts')
  const { default: pg } = await import('pg')
  const db = await fresh('PostgreSQL', url, name)
  onTestFinished(() => db.close())
  const poolOf = (user?: string): Pool => {
    const at = new URL(db.at)
    if (user !== undefined) at.username = user
    const pool = new pg.Pool({ connectionString: at.href, max: 4 })
    pool.on('error', () => {})
    onTestFinished(() => pool.end())
    return pool
  }
  await migrate(pgSession(poolOf()), [sqlOutbox(), sqlInbox()])
  return { db, poolOf }
}

const closing = <M extends Pick<Messaging, 'close'>>(messaging: M): M => {
  onTestFinished(() => messaging.close())
  return messaging
}

describe.skipIf(!installed || url === '')('on PostgreSQL', () => {
  test('the rights that the page names are enough: to publish, to relay, to handle', { timeout: 90_000 }, async () => {
    const { db, poolOf } = await withTables('rights')
    await db.run('CREATE ROLE orders_api LOGIN; CREATE ROLE orders_relay LOGIN; CREATE ROLE orders_consumer LOGIN')
    await db.run('GRANT INSERT ON orders TO orders_api, orders_consumer')
    await db.run(readFileSync(new URL('how-to/rights.sql', import.meta.url), 'utf8'))

    const common = { broker: 'memory', service: 'orders-api', env: {}, logger: silent } as const
    const api = closing(
      createMessaging<{ db: PoolClient }>({ ...common, session: pgSession(poolOf('orders_api')), outbox: sqlOutbox({ relay: false }) }),
    )
    await api.session(async (tx) => {
      await tx.query('INSERT INTO orders (id) VALUES (1)')
      api.emit('order.placed', {}, { topic: 'orders', id: 'one' })
    })
    await api.publishEvent('order.placed', {}, { topic: 'orders', id: 'never', delayMs: 3_600_000 })
    await api.publishEvent('order.placed', {}, { topic: 'orders', id: 'later', delayMs: 10 })
    expect(await api.cancel('never')).toBe(true)

    const relay = closing(createMessaging({ ...common, session: pgSession(poolOf('orders_relay')), outbox: sqlOutbox() }))
    const seen: string[] = []
    relay.handle({ topic: 'orders', group: 'reader', session: false }, (_: unknown, { id }) => void seen.push(id))
    await relay.start()
    await expect.poll(() => seen.toSorted(), SLOW).toEqual(['later', 'one'])
    const store = outboxStore(pgSession(poolOf('orders_relay')).database)
    await expect.poll(() => store.status(), SLOW).toMatchObject({ waiting: 0, delayed: 0 })

    const admin = poolOf()
    await admin.query(
      `INSERT INTO outbox (part, id, aggregatetype, payload, headers, created) SELECT 200, n::text, 'orders', repeat('x', 1000), '{}', 0 FROM generate_series(1, ${MANY}) n`,
    )
    await admin.query('DELETE FROM outbox')
    await expect.poll(() => emptyTables(ofPgPool(poolOf('orders_relay'), 'rights'), 'outbox'), SLOW).toBe(true)

    const consumers = pgSession(poolOf('orders_consumer'))
    const consumer = closing(createMessaging<{ db: PoolClient }>({ ...common, session: consumers, inbox: sqlInbox() }))
    consumer.handle({ topic: 'carts', group: 'orders' }, (_: unknown, { db: tx }) => tx.query('INSERT INTO orders (id) VALUES (2)'))
    await consumer.start()
    await consumer.getProducer().send('carts', {})
    await expect.poll(() => db.ids('orders'), SLOW).toEqual([1, 2])
    await consumers.database.transaction((tx) => takeCleanUp(tx, 'processed_events', 1))
    await consumers.database.transaction((tx) => takeCleanUp(tx, 'processed_events', 1))
    expect(await consumers.database.transaction((tx) => deleteExpired(tx, 'processed_events', { keepMs: 0, everyMs: 1 }))).toBe(1)
  })

  test("a relay of Kysely's that is given a pool of pg is told of what other processes write", { timeout: 60_000 }, async () => {
    const { db, poolOf } = await withTables('listening')
    vi.stubEnv('MESSAGING_BROKER', 'memory')
    onTestFinished(() => void vi.unstubAllEnvs())
    const { Kysely, PostgresDialect } = await import('kysely')
    const kysely = () => new Kysely<{ orders: { id: number } }>({ dialect: new PostgresDialect({ pool: poolOf() }) })
    const { listening } = await import('./how-to/listening.ts')
    const { messaging, pool } = listening(kysely(), db.at)
    onTestFinished(() => pool.end())
    closing(messaging)
    const heard: string[] = []
    pool.on('connect', (client) => client.on('notification', ({ channel }) => void heard.push(channel)))
    const seen: string[] = []
    messaging.handle({ topic: 'orders', group: 'reader', session: false, inbox: false }, (_: unknown, { id }) => void seen.push(id))
    await messaging.start()
    // The one that it sends itself, to find out whether any comes.
    await expect.poll(() => heard, SLOW).toEqual(['corebus_outbox'])
    const outbox = sqlOutbox({ relay: false })
    const other = closing(
      createMessaging({ broker: 'memory', service: 'other', env: {}, logger: silent, session: kyselySession(kysely()), outbox }),
    )
    await other.session(async () => other.emit('order.placed', {}, { topic: 'orders', id: 'of another' }))
    await expect.poll(() => heard.length, SLOW).toBeGreaterThan(1)
    await expect.poll(() => seen, SLOW).toEqual(['of another'])
  })
})
