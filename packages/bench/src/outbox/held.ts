import { setTimeout as sleep } from 'node:timers/promises'
import { migrate, sqlOutbox } from '@corebus/sql'
import pg from 'pg'
import { median } from '../measure.ts'
import { business, type Places } from './places.ts'
import { fill, sinkFor } from './relay.ts'

const ROWS = 20_000
const MINUTE_MS = 60_000
const BEFORE = 2
const OPEN = 10
const LOOKUP_EVERY_MS = 20

/** A minute of a relay that has always something to do. */
export interface Minute {
  readonly beside: 'nothing' | 'a transaction that stays open'
  readonly rowsPerSecond: number
  /** The time that another connection waits for one row by its key. */
  readonly lookupMs: number
  /** Rows that are deleted and cannot be removed yet, and what the tables hold. */
  readonly dead: number
  readonly tablesMb: number
}

/** A relay on PostgreSQL for two minutes, and for ten more beside a transaction that has read something and stays open. */
export async function besideOpen({ postgres, url }: Places): Promise<readonly Minute[]> {
  const { database } = postgres.session
  await migrate(database, [sqlOutbox({ database })])
  await business(postgres)
  await postgres.run("INSERT INTO business (customer, total) SELECT 'customer', n FROM generate_series(1, 10000) n")
  const [open, other] = [new pg.Client(url), new pg.Client(url)]
  await Promise.all([open.connect(), other.connect()])
  const minutes: Minute[] = []
  for (let n = 0; n < BEFORE + OPEN; n++) {
    if (n === BEFORE) await open.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()')
    const { rowsPerSecond, lookupMs } = await minute({ postgres, other })
    const { rows } = await other.query(
      "SELECT sum(pg_stat_get_dead_tuples(oid))::int AS dead, (sum(pg_relation_size(oid)) / 1e6)::int AS mb FROM pg_class WHERE relname ~ '^outbox_[0-9]$'",
    )
    const one = { rowsPerSecond, lookupMs, dead: rows[0].dead, tablesMb: rows[0].mb }
    minutes.push({ beside: n < BEFORE ? 'nothing' : 'a transaction that stays open', ...one })
    console.error(minutes.at(-1))
  }
  await open.query('ROLLBACK')
  await Promise.all([open.end(), other.end()])
  return minutes
}

/** Rows are written, and then published: what is measured is the second part. */
async function minute({ postgres, other }: { postgres: Places['postgres']; other: pg.Client }): Promise<{
  rowsPerSecond: number
  lookupMs: number
}> {
  const { database } = postgres.session
  const endsAt = performance.now() + MINUTE_MS
  const lookups: number[] = []
  let [rows, ms] = [0, 0]
  while (performance.now() < endsAt) {
    const { host, full, close } = await sinkFor(ROWS)
    await fill(database, host, ROWS)
    const relay = sqlOutbox({ database }).attach?.(host)
    const beganAt = performance.now()
    relay?.begin()
    let isFull = false
    const done = full.then(() => {
      isFull = true
    })
    while (!isFull) {
      const askedAt = performance.now()
      await other.query('SELECT total FROM business WHERE id = $1', [1 + (lookups.length % 10_000)])
      lookups.push(performance.now() - askedAt)
      await Promise.race([done, sleep(LOOKUP_EVERY_MS)])
    }
    ms += performance.now() - beganAt
    rows += ROWS
    await relay?.close(10_000)
    await close()
  }
  return { rowsPerSecond: Math.round((rows * 1_000) / ms), lookupMs: median(lookups) }
}
