import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { CHANNEL, createMessaging, type Messaging, type SettleRecord } from '@corebus/core'
import { type ChaosProxy, chaosProxy } from '@corebus/testbed'
import type mysql from 'mysql2/promise'
import type pg from 'pg'
import { pino } from 'pino'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import type { SqlSessions } from '../src/database/database.ts'
import { migrate } from '../src/database/schema.ts'
import { hostOf } from '../src/fixtures/host.ts'
import { freshTable, until } from '../src/fixtures/outbox-suite.ts'
import { cleaningUp } from '../src/inbox/clean-up.ts'
import { sqlInbox } from '../src/inbox/inbox.ts'
import { inboxFeature } from '../src/inbox/table.ts'
import { sqlLeases } from '../src/lease/lease.ts'
import { Runner } from '../src/schedule/runner.ts'
import { defineSchedule, type ScheduleRun } from '../src/schedule/schedule.ts'
import { scheduleFeature, scheduleStore } from '../src/schedule/store.ts'
import { mysqlSession } from '../src/session/mysql2.ts'
import { pgSession } from '../src/session/pg.ts'

const { postgres: pgUrl, mariadb: mysqlUrl } = inject('servers')
const installed = inject('librariesInstalled')

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Sessions whose handlers get what `Db` is, and a statement in one. */
interface Sessions<Db> {
  readonly sessions: SqlSessions<Db>
  insert(db: Db, table: string, id: number): Promise<unknown>
}
type Open<Db> = (url: string) => Promise<Sessions<Db>>

async function openPg(url: string): Promise<Sessions<pg.PoolClient>> {
  const { default: driver } = await import('pg')
  // A user of a line that is gone without a word waits for ever without this time-out.
  const pool = new driver.Pool({ connectionString: url, query_timeout: 2_000 })
  pool.on('error', () => {})
  onTestFinished(() => void pool.end().catch(() => undefined))
  return { sessions: pgSession(pool), insert: (db, table, id) => db.query(`INSERT INTO ${table} (id) VALUES ($1)`, [id]) }
}

async function openMysql(url: string): Promise<Sessions<mysql.PoolConnection>> {
  const { default: driver } = await import('mysql2/promise')
  const pool = driver.createPool(url)
  onTestFinished(() => void pool.end().catch(() => undefined))
  return { sessions: mysqlSession(pool), insert: (db, table, id) => db.query(`INSERT INTO ${table} (id) VALUES (?)`, [id]) }
}

async function proxyTo(url: string): Promise<ChaosProxy> {
  const proxy = await chaosProxy({ port: Number(new URL(url).port) })
  onTestFinished(() => proxy.close())
  return proxy
}

const LINES: Readonly<Record<string, (proxy: ChaosProxy) => Promise<void>>> = {
  async cut(proxy) {
    for (let n = 0; n < 6; n++) {
      proxy.cut()
      await pause(40)
      // In the middle of a statement, or between a commit and its answer.
      proxy.cutAfter(150 + 400 * n, n % 2 === 0 ? 'down' : 'up')
      await pause(60)
    }
  },
  async frozen(proxy) {
    for (const direction of ['down', 'up', 'both'] as const) {
      proxy.freeze(direction)
      await pause(300)
      proxy.thaw()
      await pause(50)
    }
  },
  async slowed(proxy) {
    proxy.slow({ latencyMs: 30, bytesPerSecond: 100_000 })
    await pause(800)
    proxy.fast()
  },
}

/** The ways to lose a line for longer than a lease lasts, and how it comes back. */
const LOSSES: Readonly<Record<string, { lose(proxy: ChaosProxy): Promise<void>; heal(proxy: ChaosProxy): Promise<void> }>> = {
  cut: {
    async lose(proxy) {
      await proxy.refuse()
      proxy.cut()
    },
    heal: (proxy) => proxy.accept(),
  },
  frozen: {
    async lose(proxy) {
      proxy.freeze()
    },
    async heal(proxy) {
      proxy.thaw()
    },
  },
  'gone without a word': {
    async lose(proxy) {
      await proxy.refuse()
      proxy.vanish()
    },
    heal: (proxy) => proxy.accept(),
  },
}

function suite<Db>(url: string, open: Open<Db>): void {
  /** A group with an inbox over a line, whose handler inserts a row, and the rows that are there. */
  async function consumer(more: Parameters<typeof createMessaging>[0] = {}) {
    const [straight, proxy] = [await open(url), await proxyTo(url)]
    const { sessions, insert } = await open(proxy.through(url))
    const [inbox, effects] = [sqlInbox({ table: freshTable(), waitMs: 2_000 }), freshTable()]
    await migrate(straight.sessions, [inbox])
    await straight.sessions.database.transaction((tx) => tx.query(`CREATE TABLE ${effects} (id INTEGER NOT NULL)`))
    const lines: string[] = []
    const messaging = createMessaging({
      broker: 'memory',
      url: `memory://${randomUUID()}`,
      service: 'billing',
      session: sessions,
      inbox,
      env: {},
      logger: pino({ level: 'info' }, { write: (line) => void lines.push(line) }),
      ...more,
    } as never) as Messaging<{ db: Db }>
    onTestFinished(() => messaging.close())
    const rows = async (): Promise<readonly number[]> => {
      const found = await straight.sessions.database.read((tx) => tx.query(`SELECT id FROM ${effects} ORDER BY id`))
      return found.rows.map(({ id }) => Number(id))
    }
    return { messaging, proxy, insert: (db: Db, id: number) => insert(db, effects, id), rows, lines }
  }

  test.each(Object.entries(LINES))(
    'handlers on a line that is %s have each effect once, though each message comes twice',
    async (kind, trouble) => {
      const { messaging, proxy, insert, rows, lines } = await consumer()
      const retry = { maxRetries: 200, retryDelayMs: 20, concurrency: 4 }
      messaging.handle({ topic: 'orders', group: 'billing', ...retry }, async ({ id }: { id: number }, { db }) => {
        await insert(db, id)
        await pause(2)
      })
      let acknowledged = 0
      const settled = (record: unknown): void => {
        if ((record as SettleRecord).settlement === 'ack') acknowledged++
      }
      subscribe(CHANNEL.settle, settled)
      onTestFinished(() => void unsubscribe(CHANNEL.settle, settled))
      await messaging.start()
      const ids = Array.from({ length: 120 }, (_, id) => id)
      const sends = [...ids, ...ids].map((id) => ({ message: { id }, id: `message-${id}` }))
      await messaging.getProducer().sendAll('orders', sends)
      await until(async () => (await rows()).length > 5)
      await trouble(proxy)
      await until(() => acknowledged === sends.length)
      expect(await rows()).toEqual(ids)
      // A line that is slow, or stands still for a moment, fails nothing; what a cut has failed is said, and retried.
      const said = lines.filter((line) => /retr/.test(line))
      if (kind === 'cut') expect(said.length).toBeGreaterThan(0)
      else expect([messaging.counters.retried, said]).toEqual([0, []])
      expect(messaging.counters.dead).toBe(0)
    },
  )

  test('a handler whose line is gone without a word is said to hang, and its process is not live any more', async () => {
    const { messaging, proxy, insert, rows, lines } = await consumer({ handlerTimeoutMs: 200, abortGraceMs: 100, shutdownMs: 1 })
    const begun = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    messaging.handle({ topic: 'orders', group: 'billing' }, async (_: unknown, { db }) => {
      await insert(db, 1)
      begun.resolve()
      await gone.promise
    })
    await messaging.start()
    await messaging.getProducer().send('orders', 1)
    await begun.promise
    proxy.vanish()
    gone.resolve()
    await until(() => !messaging.health().live)
    expect(messaging.health().reasons.join()).toMatch(/orders/)
    expect(lines.some((line) => /time-out|timed out|handlerTimeoutMs/.test(line))).toBe(true)
    // Nothing of it is committed, and nobody has acknowledged it.
    expect([await rows(), messaging.counters.handled]).toEqual([[], 0])
  })

  test('a clean-up of the inbox whose line is gone without a word says so, and goes on with the next connection', async () => {
    const [straight, proxy] = [await open(url), await proxyTo(url)]
    const { sessions } = await open(proxy.through(url))
    const table = freshTable()
    await migrate(straight.sessions, [inboxFeature(table)])
    const said: (string | undefined)[] = []
    // Two connections are in the pool now, and swallow what is asked of them.
    await Promise.all([1, 2].map(() => sessions.database.read((tx) => tx.query('SELECT 1 AS one'))))
    proxy.vanish()
    const trouble = (error: Error | undefined): void => void said.push(error && (error as { code?: string }).code)
    const cleanUp = cleaningUp({ database: sessions.database, table, keepMs: 1_000, everyMs: 50, trouble, silentMs: 300 })
    onTestFinished(() => cleanUp.end(1_000))
    cleanUp.begin()
    await until(() => said.includes(undefined))
    expect(said).toEqual(['DATABASE_SILENT', undefined])
  })

  test.each(Object.entries(LOSSES))(
    'a holder whose line is %s for longer than its lease has stopped when another one has it',
    async (_, { lose, heal }) => {
      const [straight, proxy] = [await open(url), await proxyTo(url)]
      const table = freshTable()
      const leases = sqlLeases({ database: (await open(proxy.through(url))).sessions, table })
      const others = sqlLeases({ database: straight.sessions, table })
      await migrate(straight.sessions, [leases])
      const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      let told: AbortSignal | undefined
      const held = leases.lease('report', { ttlMs: 900 }, async ({ fence, signal }) => {
        told = signal
        begun.resolve()
        await end.promise
        return fence
      })
      const outcome = held.catch((thrown: unknown) => thrown)
      await begun.promise
      await lose(proxy)
      const taken = await others.lease('report', { ttlMs: 900 }, async ({ fence }) => ({ fence, hadStopped: told?.aborted }))
      expect(taken).toEqual({ fence: 2, hadStopped: true })
      await heal(proxy)
      end.resolve()
      expect(await outcome).toMatchObject({ code: 'LEASE_LOST' })
      // Nothing that was on its way takes the lease back.
      expect(await others.tryLease('report', { ttlMs: 900 }, ({ fence }) => fence)).toMatchObject({ held: true })
    },
  )

  test('a holder keeps its lease when a line is gone without a word, and the next connection works', async () => {
    const [straight, proxy] = [await open(url), await proxyTo(url)]
    const table = freshTable()
    const leases = sqlLeases({ database: (await open(proxy.through(url))).sessions, table })
    await migrate(straight.sessions, [leases])
    const others = sqlLeases({ database: straight.sessions, table })
    const fence = await leases.lease('report', { ttlMs: 2_000 }, async ({ fence: ours, signal }) => {
      // The connections that the pool has now.
      proxy.vanish()
      await pause(5_000)
      signal.throwIfAborted()
      return ours
    })
    expect(fence).toBe(1)
    await others.tryLease('report', { ttlMs: 2_000 }, () => undefined)
  })

  /** A process with one schedule, and its runs. */
  async function scheduling(database: SqlSessions<Db>['database'], table: string, work: (run: ScheduleRun) => unknown = () => undefined) {
    const runs: ScheduleRun[] = []
    const schedule = defineSchedule('nightly', '0 3 1 1 *', async (run) => {
      runs.push(run)
      await work(run)
    })
    const host = hostOf(undefined)
    const store = scheduleStore(database.dialect, table)
    const runner = new Runner({ database, store, table, schedules: () => [schedule], host, pollMs: 50, ttlMs: 600, silentMs: 400 })
    onTestFinished(() => runner.end(1_000))
    runner.begin()
    return { runs, runner, said: () => host.lines.map((line) => String(JSON.parse(line).msg)) }
  }

  async function schedules() {
    const [straight, proxy] = [await open(url), await proxyTo(url)]
    const { database } = straight.sessions
    const table = freshTable()
    await migrate(database, [scheduleFeature(table)])
    const store = scheduleStore(database.dialect, table)
    const planned = async () => (await database.read((tx) => store.plan(tx, ['nightly']))).planned.get('nightly')
    const overdue = () => database.transaction((tx) => tx.query(`UPDATE ${table} SET due = 1`))
    return { database, proxy, table, planned, overdue, through: (await open(proxy.through(url))).sessions.database }
  }

  test.each(Object.entries(LOSSES))(
    'a run that was missed while the line was %s is made up for once, and both is said',
    async (_, { lose, heal }) => {
      const { proxy, table, planned, overdue, through } = await schedules()
      const one = await scheduling(through, table)
      await until(async () => (await planned()) !== undefined)
      const next = (await planned())?.due
      await lose(proxy)
      await until(() => one.runner.trouble !== undefined)
      await overdue()
      await pause(300)
      await heal(proxy)
      await until(async () => (await planned())?.due === next)
      await until(() => one.runner.trouble === undefined)
      expect(one.runs).toHaveLength(1)
      // One that goes silent refuses connections later, which is another reason.
      expect([...new Set(one.said())]).toEqual(['the database cannot be asked what is due', 'schedules run again'])
    },
  )

  test.each(Object.entries(LOSSES))(
    'a run whose line is %s is told to stop before another process makes up for it',
    async (_, { lose, heal }) => {
      const { database, proxy, table, planned, overdue, through } = await schedules()
      const begun = Promise.withResolvers<AbortSignal>()
      const one = await scheduling(through, table, async ({ signal }) => {
        begun.resolve(signal)
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      })
      await until(async () => (await planned()) !== undefined)
      const next = (await planned())?.due
      await overdue()
      const signal = await begun.promise
      await lose(proxy)
      const hadStopped: boolean[] = []
      const other = await scheduling(database, table, () => hadStopped.push(signal.aborted))
      await until(async () => (await planned())?.due === next)
      await heal(proxy)
      await until(() => one.said().includes('schedule nightly has lost its lease while it ran: another process runs it again'))
      await until(() => one.runner.trouble === undefined)
      expect([hadStopped, one.runs.length, other.runs.map(({ fence }) => fence)]).toEqual([[true], 1, [2]])
      expect((await planned())?.due).toBe(next)
    },
  )
}

describe.skipIf(!installed || !pgUrl)('a line to PostgreSQL', () => suite(pgUrl ?? '', openPg))
describe.skipIf(!installed || !mysqlUrl)('a line to MariaDB', () => suite(mysqlUrl ?? '', openMysql))
