import { createMessaging, type Messaging } from '@corebus/core'
import { migrate, pgSession, sqlInbox, sqlOutbox } from '@corebus/sql'
import { startPgbouncer } from '@corebus/testbed'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import type { Outside } from './databases.ts'

const { postgres: url = '' } = inject('servers')
const installed = inject('librariesInstalled')
const SLOW = { timeout: 60_000 }
const PREPARED = "SELECT count(*)::int AS n FROM pg_prepared_statements WHERE name LIKE 'corebus%'"

async function opened(name: string): Promise<{ readonly db: Outside; poolAt(at: string, max: number): Promise<Pool> }> {
  const { fresh } = await import('./databases.ts')
  const { default: pg } = await import('pg')
  const db = await fresh('PostgreSQL', url, name)
  onTestFinished(() => db.close())
  const poolAt = async (at: string, max: number): Promise<Pool> => {
    const pool = new pg.Pool({ connectionString: at, max })
    pool.on('error', () => {})
    onTestFinished(() => pool.end())
    return pool
  }
  await migrate(pgSession(await poolAt(db.at, 1)), [sqlOutbox(), sqlInbox()])
  return { db, poolAt }
}

function messagingOn(pool: Pool, { relay, lines = [] }: { readonly relay: boolean; readonly lines?: string[] }): Messaging {
  const messaging = createMessaging({
    broker: 'memory',
    service: 'orders-api',
    env: {},
    logger: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }),
    session: pgSession(pool),
    outbox: sqlOutbox({ relay }),
    inbox: sqlInbox(),
  })
  onTestFinished(() => messaging.close())
  return messaging
}

/** One session with an order and its event; how often its work ran. */
async function order(messaging: Messaging, id: number): Promise<number> {
  let runs = 0
  await messaging.session(async (tx) => {
    runs++
    await (tx as Pool).query('INSERT INTO orders (id) VALUES ($1)', [id])
    messaging.emit('order.placed', { id }, { topic: 'orders', id: `order-${id}` })
  })
  return runs
}

describe.skipIf(!installed || url === '')('connections to PostgreSQL', () => {
  test('one of our own keeps the statements of outbox and inbox prepared, each once', SLOW, async () => {
    const { db, poolAt } = await opened('prepared')
    const pool = await poolAt(db.at, 1)
    const messaging = messagingOn(pool, { relay: false })
    for (const id of [1, 2, 3]) expect(await order(messaging, id)).toBe(1)
    expect((await pool.query(PREPARED)).rows).toEqual([{ n: 1 }])
    let handled = 0
    messaging.handle({ topic: 'carts', group: 'orders' }, () => void handled++)
    await messaging.start()
    for (const id of ['a', 'b', 'b']) await messaging.getProducer().send('carts', {}, { id })
    await expect.poll(() => handled, SLOW).toBe(2)
    await expect.poll(async () => (await pool.query(PREPARED)).rows, SLOW).toEqual([{ n: 2 }])
    expect(await db.ids('orders')).toEqual([1, 2, 3])
  })

  test('one that is told to forget its statements runs a session again, once, and prepares no more', SLOW, async () => {
    const { db, poolAt } = await opened('forgotten')
    const pool = await poolAt(db.at, 1)
    const messaging = messagingOn(pool, { relay: false })
    for (const id of [1, 2]) expect(await order(messaging, id)).toBe(1)
    await pool.query('DISCARD ALL')
    expect(await order(messaging, 3)).toBe(2)
    expect(await order(messaging, 4)).toBe(1)
    expect(await db.ids('orders')).toEqual([1, 2, 3, 4])
    const { rows } = await pool.query('SELECT count(*)::int AS n FROM outbox')
    expect(rows).toEqual([{ n: 4 }])
  })

  test('those of a pooler in transaction mode prepare nothing; what was written arrives', { timeout: 90_000 }, async ({ skip }) => {
    const { db, poolAt } = await opened('pooled')
    const pooler = await startPgbouncer(db.at)
    if (!pooler) return skip()
    onTestFinished(() => pooler.stop())
    const lines: string[] = []
    const messaging = messagingOn(await poolAt(pooler.url, 8), { relay: true, lines })
    const seen: string[] = []
    messaging.handle({ topic: 'orders', group: 'reader' }, (_: unknown, { id }) => void seen.push(id))
    await messaging.start()
    const ids = Array.from({ length: 100 }, (_, n) => n)
    // Eight clients of two connections: each transaction has another one than the client's last.
    const runs = await Promise.all(ids.map((id) => order(messaging, id)))
    expect(runs.filter((n) => n !== 1)).toEqual([])
    await expect.poll(() => seen.length, SLOW).toBe(100)
    expect(new Set(seen).size).toBe(100)
    expect(await db.ids('orders')).toEqual(ids)
    await expect.poll(() => lines.filter((line) => line.includes('LISTEN')).length, SLOW).toBe(1)
  })
})
