import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { ofPgPool } from '../src/database/pg.ts'
import { attached, count, freshTable, message, until } from '../src/fixtures/outbox-suite.ts'
import { emptyTables } from '../src/relay/rotate.ts'

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
