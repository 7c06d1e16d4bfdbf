import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ddl, migrate, type SqlDatabase, sqlInbox, sqliteSession, sqlLeases, sqlOutbox, sqlSchedules } from '@corebus/sql'
import type { Migration } from 'kysely/migration'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { ofPgPool } from '../src/database/pg.ts'
import type { Outside } from './databases.ts'
import { openMysql } from './pools.ts'

const { postgres, mariadb } = inject('servers')
const installed = inject('librariesInstalled')
const ours = installed ? await import('./how-to/migrations.ts') : undefined

/** All that has tables. */
const partsOf = (database: SqlDatabase) => [sqlOutbox(), sqlInbox(), sqlLeases({ database }), sqlSchedules()]
/** What the tools note for themselves is not ours. */
const THEIRS = /kysely_|__drizzle/

const CATALOGUE = [
  `SELECT table_name, column_name, ordinal_position, column_default, is_nullable, data_type, character_maximum_length FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3`,
  `SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2`,
  `SELECT c.relname, c.relkind, c.reloptions, pg_get_expr(c.relpartbound, c.oid) AS bound, pg_get_partkeydef(c.oid) AS keys FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1`,
  `SELECT d.refobjid::regclass::text AS owner, d.objid::regclass::text AS sequence FROM pg_depend d WHERE d.deptype = 'a' AND d.classid = 'pg_class'::regclass AND d.objid IN (SELECT oid FROM pg_class WHERE relkind = 'S') ORDER BY 1, 2`,
  'SELECT * FROM corebus_schema ORDER BY name',
  'SELECT * FROM outbox_parts ORDER BY part',
]

interface Opened {
  readonly outside: Outside
  readonly client: Client
  readonly database: SqlDatabase
  catalogue(): Promise<readonly unknown[]>
}

/** A database of PostgreSQL with nothing of ours in it. */
async function emptyPostgres(name: string): Promise<Opened> {
  const { fresh } = await import('./databases.ts')
  const { default: pg } = await import('pg')
  const outside = await fresh('PostgreSQL', postgres ?? '', name)
  const pool = new pg.Pool({ connectionString: outside.at })
  const client = new pg.Client(outside.at)
  await client.connect()
  onTestFinished(async () => {
    await client.end()
    await pool.end()
    await outside.close()
  })
  await client.query('DROP TABLE orders, notes')
  const catalogue = async (): Promise<readonly unknown[]> => {
    const all: unknown[] = []
    for (const text of CATALOGUE) {
      const { rows } = await client.query(text)
      all.push(rows.filter((row) => !THEIRS.test(JSON.stringify(row))))
    }
    return all
  }
  return { outside, client, database: ofPgPool(pool, name), catalogue }
}

describe.skipIf(!installed || !postgres)('tables on PostgreSQL', () => {
  const byMigrate = async (name: string): Promise<readonly unknown[]> => {
    const { database, catalogue } = await emptyPostgres(name)
    await migrate(database, [sqlOutbox(), sqlInbox()])
    return catalogue()
  }

  test('printed statements make what migrate makes, all in one call, and change nothing when they are run again', async () => {
    const { database, catalogue } = await emptyPostgres('made_by_migrate')
    await migrate(database, partsOf(database))
    const made = await catalogue()
    const other = await emptyPostgres('made_by_file')
    const text = ddl('postgres', partsOf(other.database)).join(';\n')
    await other.client.query(text)
    expect(await other.catalogue()).toEqual(made)
    await other.client.query(text)
    await migrate(other.database, partsOf(other.database))
    expect(await other.catalogue()).toEqual(made)
  })

  test("those of Kysely's Migrator, which runs a migration in a transaction, are those of migrate, also when it runs after them", async () => {
    const expected = await byMigrate('expected_by_kysely')
    const { outside, database, catalogue } = await emptyPostgres('by_kysely')
    const { Kysely, PostgresDialect } = await import('kysely')
    const { Migrator } = await import('kysely/migration')
    const { default: pg } = await import('pg')
    const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: outside.at }) }) })
    const provider = { getMigrations: async () => ({ '0001_outbox': ours?.outboxAndInbox as Migration }) }
    const { error } = await new Migrator({ db, provider }).migrateToLatest()
    await db.destroy()
    expect(error).toBeUndefined()
    expect(await catalogue()).toEqual(expected)
    await migrate(database, [sqlOutbox(), sqlInbox()])
    expect(await catalogue()).toEqual(expected)
  })

  test("those of Drizzle's migrator are those of migrate", async () => {
    const expected = await byMigrate('expected_by_drizzle')
    const { outside, catalogue } = await emptyPostgres('by_drizzle')
    const { drizzle } = await import('drizzle-orm/node-postgres')
    const { migrate: run } = await import('drizzle-orm/node-postgres/migrator')
    const migrationsFolder = temporary()
    // As `drizzle-kit generate --custom` leaves them.
    mkdirSync(join(migrationsFolder, 'meta'))
    const entries = [{ idx: 0, version: '7', when: 1, tag: '0001_outbox', breakpoints: true }]
    writeFileSync(join(migrationsFolder, 'meta', '_journal.json'), JSON.stringify({ version: '7', dialect: 'postgresql', entries }))
    writeFileSync(join(migrationsFolder, '0001_outbox.sql'), ours?.drizzleFile ?? '')
    const db = drizzle(outside.at)
    await run(db, { migrationsFolder })
    await db.$client.end()
    expect(await catalogue()).toEqual(expected)
  })

  test("those of Prisma's file, run as one text, are those of migrate", async () => {
    const expected = await byMigrate('expected_by_prisma')
    const { client, catalogue } = await emptyPostgres('by_prisma')
    await client.query(ours?.prismaFile ?? '')
    expect(await catalogue()).toEqual(expected)
  })
})

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-migrations-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

describe.skipIf(!installed || !mariadb)('tables on MariaDB', () => {
  let made: Outside
  let printed: Outside
  beforeAll(async () => {
    const { fresh } = await import('./databases.ts')
    made = await fresh('MariaDB', mariadb ?? '', 'made_by_migrate')
    printed = await fresh('MariaDB', mariadb ?? '', 'made_by_file')
  })
  afterAll(async () => {
    await made?.close()
    await printed?.close()
  })

  test('printed statements make what migrate makes, all in one call where the client takes several', async () => {
    const { default: mysql } = await import('mysql2/promise')
    const database = await openMysql(made.at)
    await migrate(database, partsOf(database))
    const connection = await mysql.createConnection({ uri: printed.at, multipleStatements: true })
    const text = ddl('mysql', partsOf(database)).join(';\n')
    await connection.query(text)
    await connection.query(text)
    await connection.end()
    const tables = await catalogueOf(made)
    expect(tables.length).toBeGreaterThan(8)
    expect(await catalogueOf(printed)).toEqual(tables)
  })

  async function catalogueOf({ at }: Outside): Promise<readonly unknown[]> {
    const { default: mysql } = await import('mysql2/promise')
    const connection = await mysql.createConnection(at)
    const [tables] = await connection.query<{ [column: string]: string }[] & never>('SHOW TABLES')
    const all: unknown[] = []
    for (const name of (tables as { [column: string]: string }[]).flatMap((row) => Object.values(row)).toSorted())
      all.push((await connection.query(`SHOW CREATE TABLE \`${name}\``))[0])
    all.push((await connection.query('SELECT * FROM corebus_schema ORDER BY name'))[0])
    all.push((await connection.query('SELECT * FROM outbox_parts ORDER BY part'))[0])
    await connection.end()
    return all
  }
})

test('on SQLite printed statements make what migrate makes, all in one call', async () => {
  const [made, printed] = [new DatabaseSync(':memory:'), new DatabaseSync(':memory:')]
  const { database } = sqliteSession(made)
  await migrate(database, partsOf(database))
  const text = ddl('sqlite', partsOf(database)).join(';\n')
  printed.exec(text)
  printed.exec(text)
  const catalogueOf = (db: DatabaseSync): readonly unknown[] => [
    db.prepare('SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2').all(),
    db.prepare('SELECT * FROM corebus_schema ORDER BY name').all(),
    db.prepare('SELECT * FROM outbox_parts ORDER BY part').all(),
  ]
  expect(catalogueOf(printed)).toEqual(catalogueOf(made))
})
