import { describe, expect, inject, onTestFinished, test } from 'vitest'
import type { SqlDatabase } from '../src/database/database.ts'
import { ofMysqlPool } from '../src/database/mysql2.ts'
import { ofPgPool } from '../src/database/pg.ts'
import { migrate } from '../src/database/schema.ts'
import { hostOf } from '../src/fixtures/host.ts'
import { attached, count, freshTable, message, until } from '../src/fixtures/outbox-suite.ts'
import { sqlInbox } from '../src/inbox/inbox.ts'
import { sqlOutbox } from '../src/outbox/outbox.ts'
import { outboxFeature } from '../src/outbox/tables.ts'
import { sqlSchedules } from '../src/schedule/schedules.ts'
import { pgSession } from '../src/session/pg.ts'

const { postgres: pgUrl, mariadb: mysqlUrl } = inject('servers')
const installed = inject('librariesInstalled')

/** Sessions come and go beside a relay that has only the connection that they have. */
async function withOneConnection(database: SqlDatabase): Promise<void> {
  const table = freshTable()
  const { outbox, sink, begin } = await attached(database, { table })
  begin()
  for (let n = 0; n < 5; n++) {
    await database.transaction((tx) => outbox.write(tx, [{ message: message(String(n)) }]))
    outbox.committed?.()
    await until(() => sink.messages.length === n + 1)
  }
  await until(async () => (await count(database, table)) === 0)
}

describe.skipIf(!installed || !pgUrl)('with as little as possible, on PostgreSQL', () => {
  test('a pool of one connection is shared by sessions and relay', async () => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: pgUrl, max: 1 })
    onTestFinished(() => pool.end())
    await withOneConnection(ofPgPool(pool, 'a PostgreSQL of the tests'))
  })

  /** A user with these rights on the tables of an outbox that somebody else owns. */
  async function clerk(table: string, ...grants: string[]): Promise<SqlDatabase> {
    const { default: pg } = await import('pg')
    const admin = new pg.Pool({ connectionString: pgUrl })
    const user = `${table}_clerk`
    await migrate(ofPgPool(admin, 'a PostgreSQL of the tests'), [outboxFeature(table)])
    await admin.query(`CREATE ROLE ${user} LOGIN`)
    for (const grant of ['SELECT ON corebus_schema', ...grants]) await admin.query(`GRANT ${grant} TO ${user}`)
    const pool = new pg.Pool({ connectionString: Object.assign(new URL(pgUrl ?? ''), { username: user }).href })
    onTestFinished(async () => {
      await pool.end()
      await admin.query(`DROP OWNED BY ${user}`)
      await admin.query(`DROP ROLE ${user}`)
      await admin.end()
    })
    return ofPgPool(pool, 'a PostgreSQL of the tests')
  }

  test('a user who may not TRUNCATE relays, and is told once', { timeout: 60_000 }, async () => {
    const table = freshTable()
    const tables = ['', '_delayed', '_dead', '_parts'].map((suffix) => table + suffix).join(', ')
    const sequences = `USAGE ON SEQUENCE ${table}_seq, ${table}_delayed_seq_seq`
    const database = await clerk(table, `SELECT, INSERT, UPDATE, DELETE ON ${tables}`, sequences)
    const { outbox, sink, begin, lines } = await attached(database, { table, migrated: true })
    begin()
    const body = Buffer.from('x'.repeat(1_000))
    const said = () => lines.filter((line) => line.includes('TRUNCATE'))
    let written = 0
    while (said().length === 0 || written < 24_000) {
      await outbox.write(
        undefined,
        Array.from({ length: 2_000 }, () => ({ message: message(String(written++), { body }) })),
      )
      await until(() => sink.messages.length === written)
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    expect(said()).toHaveLength(1)
    expect(said()[0]).toContain(`GRANT SELECT, TRUNCATE ON ${table}_0, ${table}_1, ${table}_2`)
    expect(lines.filter((line) => line.includes('not relayed'))).toEqual([])
  })

  test('sessions that find another table of the name than the outbox does are refused at start, and two pools of one database are not', async () => {
    const { default: pg } = await import('pg')
    const [table, schema] = [freshTable(), `s${freshTable()}`]
    const open = (path: string) => {
      const pool = new pg.Pool({ connectionString: pgUrl, options: `-c search_path=${path}` })
      onTestFinished(() => pool.end())
      return pgSession(pool)
    }
    const [sessions, same, other] = [open('public'), open('public'), open(schema)]
    await sessions.database.transaction((tx) => tx.query(`CREATE SCHEMA ${schema}`))
    for (const one of [sessions, other]) await migrate(one, [outboxFeature(table)])
    const check = (database: typeof sessions, name = table) => sqlOutbox({ database, table: name }).attach?.(hostOf(sessions)).check?.()
    await check(sessions)
    await check(same)
    await expect(check(other)).rejects.toMatchObject({ code: 'SQL_DATABASE' })
  })

  test('tables in a schema that is said are found with every search_path, by sessions, relay, inbox and schedules', async () => {
    const { default: pg } = await import('pg')
    const schema = `s${freshTable()}`
    const open = (path: string) => {
      const pool = new pg.Pool({ connectionString: pgUrl, options: `-c search_path=${path}` })
      pool.on('error', () => {})
      onTestFinished(() => pool.end())
      return pgSession(pool)
    }
    const [deployed, runs] = [open(schema), open('pg_catalog')]
    await deployed.database.transaction((tx) => tx.query(`CREATE SCHEMA ${schema}`))
    const [inbox, schedules] = [sqlInbox({ table: `${schema}.seen` }), sqlSchedules({ table: `${schema}.schedules`, only: [] })]
    await migrate(deployed, [outboxFeature(`${schema}.outbox`), inbox, schedules])
    for (const part of [inbox, schedules]) await part.attach?.(hostOf(runs)).check?.()
    const { outbox, sink, begin } = await attached(runs.database, { table: `${schema}.outbox`, migrated: true })
    begin()
    await runs.write((tx) => outbox.write(tx, [{ message: message('now') }, { message: message('soon'), due: { afterMs: 1 } }]))
    await until(() => sink.messages.length === 2)
  })

  test('a user who may only write events writes them, with a transaction and later', async () => {
    const table = freshTable()
    const writes = [
      `INSERT ON ${table}, ${table}_delayed`,
      `SELECT ON ${table}_delayed`,
      `USAGE ON SEQUENCE ${table}_seq, ${table}_delayed_seq_seq`,
    ]
    const database = await clerk(table, ...writes)
    let asked = 0
    const read: SqlDatabase['read'] = (work) => {
      asked++
      return database.read(work)
    }
    const { outbox, begin, health, lines } = await attached({ ...database, read }, { table, migrated: true, relay: false, pollMs: 1 })
    // The outbox asks once for what it may not read: whose it is, and how old the oldest row is.
    const before = asked
    begin()
    await until(() => asked === before + 2)
    await outbox.write(undefined, [{ message: message('now') }, { message: message('later'), due: { afterMs: 60_000 } }])
    await outbox.write(undefined, [{ message: message('later'), due: { afterMs: 60_000 } }])
    await new Promise((resolve) => setTimeout(resolve, 100)) // ten looks
    expect([asked, health(), lines]).toEqual([before + 2, {}, []])
  })
})

describe.skipIf(!installed || !mysqlUrl)('with as little as possible, on MariaDB', () => {
  test('a pool of one connection is shared by sessions and relay', async () => {
    const { default: mysql } = await import('mysql2/promise')
    const pool = mysql.createPool({ uri: mysqlUrl ?? '', connectionLimit: 1 })
    onTestFinished(() => pool.end())
    await withOneConnection(ofMysqlPool(pool, 'a MariaDB of the tests'))
  })
})
