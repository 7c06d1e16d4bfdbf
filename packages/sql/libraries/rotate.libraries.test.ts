import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { ofPgPool } from '../src/database/pg.ts'
import { attached, count, freshTable, message, until } from '../src/fixtures/outbox-suite.ts'
import { tablesOf } from '../src/outbox/tables.ts'
import { emptyTables } from '../src/relay/rotate.ts'
import { deleteRows, firstRows, fitting, lockParts, look } from '../src/relay/rows.ts'
import type { SqlTx } from '../src/tx/sql-tx.ts'

const { postgres: url } = inject('servers')
const installed = inject('librariesInstalled')
const MANY = 4_000
const body = Buffer.from('x'.repeat(1_000))

async function place() {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({ connectionString: url })
  pool.on('error', () => {})
  onTestFinished(() => pool.end())
  return { pool, database: ofPgPool(pool, 'a PostgreSQL of the tests') }
}

/** Rows of its table that this transaction has read, seen or not. */
async function readSoFar(tx: SqlTx, table: string): Promise<number> {
  const { rows } = await tx.query(
    'SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) AS n FROM pg_stat_xact_user_tables WHERE relname = ?',
    [`${table}_0`],
  )
  return Number(rows[0]?.n)
}

describe.skipIf(!installed || !url)('the tables of an outbox on PostgreSQL', () => {
  test('are emptied beside a transaction that stays open, which keeps what is deleted from them', { timeout: 60_000 }, async () => {
    const { pool, database } = await place()
    const table = freshTable()
    const { outbox, sink, begin } = await attached(database, { table })
    const open = await pool.connect()
    await open.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await open.query('SELECT pg_current_xact_id()')
    const bytes = async (): Promise<number> =>
      Number(
        (await pool.query(`SELECT sum(pg_relation_size(format('${table}_%s', n)::regclass)) AS bytes FROM generate_series(0, 2) n`)).rows[0]
          .bytes,
      )
    await outbox.write(
      undefined,
      Array.from({ length: MANY }, (_, n) => ({ message: message(String(n), { body }) })),
    )
    expect(await bytes()).toBeGreaterThan(MANY * body.length)
    begin()
    await until(() => sink.messages.length === MANY)
    await until(async () => (await bytes()) === 0, 50_000)
    await open.query('ROLLBACK')
    open.release()
  })

  test('are read by their index, however many rows lie in them that no statistics tell of', async () => {
    const { pool, database } = await place()
    const table = freshTable()
    await attached(database, { table, relay: false })
    // Made before, and never looked at since.
    await pool.query(`ALTER TABLE ${table}_0 SET (autovacuum_enabled = off)`)
    await pool.query(
      `INSERT INTO ${table} (part, slot, id, aggregatetype, payload, headers, created) SELECT n % 2, 0, n, 'orders', '', '{}', 0 FROM generate_series(1, 20000) n`,
    )
    const tables = tablesOf(table)
    const fetched = async (work: (tx: SqlTx) => Promise<unknown>): Promise<number> =>
      database.transaction(async (tx) => {
        const before = await readSoFar(tx, table)
        await work(tx)
        return (await readSoFar(tx, table)) - before
      })
    expect(await fetched((tx) => look(tx, tables))).toBeLessThan(100)
    const first = { parts: [0, 1], each: 500 }
    const turn = async (tx: SqlTx): Promise<void> => {
      await lockParts(tx, tables, first.parts, { most: 2 })
      expect(await fitting(tx, tables, first, 100_000)).toBe(500)
      await deleteRows(tx, tables, await firstRows(tx, tables, first))
    }
    expect(await fetched(turn)).toBeLessThan(5_000)
    expect(await count(database, table)).toBe(19_000)
  })

  test('are looked at without compiling the statement, which took a second or more', async () => {
    const { database } = await place()
    const table = freshTable()
    await attached(database, { table, relay: false })
    const tables = tablesOf(table)
    const compiled = (work: (tx: SqlTx) => Promise<unknown>): Promise<boolean> =>
      database.transaction(async (tx) => {
        await work(tx)
        const { rows } = await tx.query(`EXPLAIN (ANALYZE, FORMAT JSON) SELECT part, back FROM ${tables.parts} WHERE part <> 99`)
        return JSON.stringify(rows).includes('JIT')
      })
    expect(await compiled((tx) => look(tx, tables))).toBe(false)
    expect(await compiled((tx) => lockParts(tx, tables, [0, 1], { most: 2 }))).toBe(false)
  })

  test('are not emptied while a row in them waits for a relay', async () => {
    const { pool, database } = await place()
    const table = freshTable()
    const { outbox } = await attached(database, { table })
    await outbox.write(
      undefined,
      Array.from({ length: MANY }, (_, n) => ({ message: message(String(n), { body }) })),
    )
    // Into the table whose turn is the last to come.
    await pool.query(`UPDATE ${table} SET slot = (CAST(extract(epoch FROM clock_timestamp()) AS bigint) / 5 + 2) % 3`)
    await emptyTables(database, table)
    expect(await count(database, table)).toBe(MANY)
  })

  test('are not emptied while a row in them is not committed: it is published when it is', { timeout: 60_000 }, async () => {
    const { pool, database } = await place()
    const table = freshTable()
    const { outbox, sink, begin } = await attached(database, { table })
    const late = await pool.connect()
    await late.query('BEGIN')
    await outbox.write(late, [{ message: message('late', { body }) }])
    await outbox.write(
      undefined,
      Array.from({ length: MANY }, (_, n) => ({ message: message(String(n), { body }) })),
    )
    begin()
    await until(() => sink.messages.length === MANY)
    // Longer than it takes until the table is not written any more and the relay would empty it.
    await new Promise((resolve) => setTimeout(resolve, 12_000))
    await late.query('COMMIT')
    late.release()
    await until(() => sink.ids.includes('late'))
    await until(async () => (await count(database, table)) === 0)
  })
})
