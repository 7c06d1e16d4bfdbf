import { inspect } from 'node:util'
import {
  adapt,
  drizzleSession,
  knexSession,
  kyselySession,
  migrate,
  mikroOrmSession,
  prismaSession,
  type SqlTx,
  sqlOutbox,
  typeormSession,
} from '@corebus/sql'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { hostOf } from '../src/fixtures/host.ts'
import type { Outside } from './databases.ts'
import { openMysql, openPg } from './pools.ts'

const { postgres: pgUrl, mariadb: mysqlUrl } = inject('servers')
const installed = inject('librariesInstalled')

const note = (tx: SqlTx, id: number) => tx.query('INSERT INTO notes (id) VALUES (?)', [id])

/** What only one library or one database has. */
describe.skipIf(!installed)('on SQLite', () => {
  let db: Outside
  beforeAll(async () => {
    db = await (await import('./databases.ts')).outside('SQLite', '')
  })
  afterAll(() => db?.close())

  test("Drizzle's transaction that waits for nothing has our row or not, as its own, and is refused when it is over", async () => {
    const { default: Sqlite } = await import('better-sqlite3')
    const { drizzle } = await import('drizzle-orm/better-sqlite3')
    const connection = new Sqlite(db.at)
    const drizzled = drizzle(connection)
    let kept: SqlTx | undefined
    drizzled.transaction((tx) => {
      kept = adapt(tx)
      void note(kept, 1)
    })
    expect(() =>
      drizzled.transaction((tx) => {
        void note(adapt(tx), 2)
        throw new Error('no')
      }),
    ).toThrow('no')
    await expect(kept && note(kept, 3)).rejects.toMatchObject({ code: 'TX_AUTOCOMMIT' })
    expect(await db.ids('notes')).toEqual([1])
    connection.close()
  })
})

describe.skipIf(!installed)('sessions on SQLite', () => {
  let db: Outside
  beforeAll(async () => {
    db = await (await import('./databases.ts')).outside('SQLite', '')
  })
  afterAll(() => db?.close())

  test('with a second connection who reads waits for no transaction, sees nothing of it, and cannot write', async () => {
    const { default: Sqlite } = await import('better-sqlite3')
    const { Kysely, SqliteDialect } = await import('kysely')
    const open = () => new Kysely<{ notes: { id: number } }>({ dialect: new SqliteDialect({ database: new Sqlite(db.at) }) })
    const [main, second] = [open(), open()]
    const { write, read } = kyselySession(main, { read: second })
    await write(async (tx) => {
      await tx.insertInto('notes').values({ id: 1 }).execute()
      expect(await read((reading) => reading.selectFrom('notes').select('id').execute())).toEqual([])
    })
    expect(await read((tx) => tx.selectFrom('notes').select('id').execute())).toEqual([{ id: 1 }])
    const writing = read((tx) => tx.insertInto('notes').values({ id: 2 }).execute())
    await expect(writing).rejects.toMatchObject({ code: 'SESSION_READS' })
    await Promise.all([main.destroy(), second.destroy()])
  })

  test('a session of something else than a database object of the library says so', async () => {
    const wrong = { transaction: () => ({}), em: { getDriver: () => ({}) }, options: { type: 'oracle' } } as never
    const sessions: ((wrong: never) => unknown)[] = [kyselySession, knexSession, drizzleSession, typeormSession, mikroOrmSession]
    for (const session of sessions) expect(() => session(wrong)).toThrow(expect.objectContaining({ code: 'TX_DIALECT' }))
    expect(() => kyselySession(wrong, { isolaton: 'serializable' } as never)).toThrow(expect.objectContaining({ code: 'OPTION' }))
    expect(() => prismaSession(wrong, {} as never)).toThrow(expect.objectContaining({ code: 'TX_DIALECT' }))
  })
})

describe.skipIf(!installed || !pgUrl)('on PostgreSQL', () => {
  let database: Outside
  beforeAll(async () => {
    database = await (await import('./databases.ts')).outside('PostgreSQL', pgUrl ?? '')
    await database.run('DROP ROLE IF EXISTS clerk')
    await database.run('CREATE ROLE clerk LOGIN')
    await database.run('GRANT SELECT, INSERT ON notes TO clerk')
  })
  afterAll(() => database?.close())

  test('a user who may do next to nothing, on a reserved connection of postgres.js that renames columns, is asked and let in', async () => {
    const { default: postgres } = await import('postgres')
    const clerk = Object.assign(new URL(pgUrl ?? ''), { username: 'clerk' })
    const sql = postgres(clerk.href, { max: 1, transform: postgres.camel })
    const reserved = await sql.reserve()
    await expect(note(adapt(reserved), 1)).rejects.toMatchObject({ code: 'TX_AUTOCOMMIT' })
    await reserved`BEGIN`
    await note(adapt(reserved), 2)
    await reserved`COMMIT`
    reserved.release()
    await sql.end()
    expect(await database.ids('notes')).toEqual([2])
  })

  test('what is written through `adapt` is part of the transaction', async () => {
    const { Kysely, PostgresDialect } = await import('kysely')
    const { default: pg } = await import('pg')
    const dialect = new PostgresDialect({ pool: new pg.Pool({ connectionString: pgUrl }) })
    const db = new Kysely<{ orders: { id: number } }>({ dialect })
    // #region adapt
    await db.transaction().execute(async (trx) => {
      await trx.insertInto('orders').values({ id: 7 }).execute()
      await adapt(trx).query('INSERT INTO notes (id, body) VALUES (?, ?)', [7, 'seven'])
    })
    // #endregion adapt
    await db.destroy()
    expect(await database.ids('orders')).toEqual([7])
    expect(await database.ids('notes')).toContain(7)
  })

  test('a transaction inside of a transaction is rolled back alone', async () => {
    const { default: pg } = await import('pg')
    const { drizzle } = await import('drizzle-orm/node-postgres')
    const pool = new pg.Pool({ connectionString: pgUrl })
    await drizzle(pool).transaction(async (outer) => {
      await note(adapt(outer), 3)
      const inner = outer.transaction(async (tx) => {
        await note(adapt(tx), 4)
        throw new Error('no')
      })
      await expect(inner).rejects.toThrow('no')
      await note(adapt(outer), 5)
    })
    await pool.end()
    expect(await database.ids('notes')).toEqual(expect.arrayContaining([3, 5]))
    expect(await database.ids('notes')).not.toContain(4)
  })

  test('a database of Drizzle on one client stands for what the client is in', async () => {
    const { default: pg } = await import('pg')
    const { drizzle } = await import('drizzle-orm/node-postgres')
    const client = new pg.Client(pgUrl)
    await client.connect()
    const drizzled = drizzle(client)
    expect(() => adapt(drizzled)).toThrow(expect.objectContaining({ code: 'TX_AUTOCOMMIT' }))
    await client.query('BEGIN')
    await note(adapt(drizzled), 6)
    await client.query('ROLLBACK')
    await client.end()
    expect(await database.ids('notes')).not.toContain(6)
  })
})

describe.skipIf(!installed || !pgUrl)('what fails of an outbox', () => {
  const secret = { message: { id: 'secret id', topic: 'orders', headers: {}, body: Buffer.from('secret body') } }

  /** The tables are not there. */
  async function errorOf(write: (outbox: ReturnType<typeof sqlOutbox>) => Promise<unknown>): Promise<unknown> {
    const outbox = sqlOutbox({ database: await openPg(pgUrl ?? ''), table: 'not_there' })
    outbox.attach?.(hostOf(undefined))
    return write(outbox).catch((thrown: unknown) => thrown)
  }

  test.each(['Drizzle', 'Knex'])('has none of its messages in it, whatever %s puts into its errors', async (library) => {
    const error = await errorOf(async (outbox) => {
      if (library === 'Knex') {
        const { default: knex } = await import('knex')
        const db = knex({ client: 'pg', connection: pgUrl ?? '' })
        return db.transaction((tx) => outbox.write(tx, [secret])).finally(() => db.destroy())
      }
      const { default: pg } = await import('pg')
      const { drizzle } = await import('drizzle-orm/node-postgres')
      const pool = new pg.Pool({ connectionString: pgUrl })
      return drizzle(pool)
        .transaction((tx) => outbox.write(tx, [secret]))
        .finally(() => pool.end())
    })
    expect(error).toMatchObject({ code: 'SCHEMA', cause: { code: '42P01' } })
    expect(inspect(error, { depth: 10 })).not.toContain('secret')
  })
})

describe.skipIf(!installed || !mysqlUrl)('on MariaDB', () => {
  test('a message that is larger than max_allowed_packet is refused with that name, and the transaction is rolled back', async () => {
    const database = await openMysql(mysqlUrl ?? '')
    const outbox = sqlOutbox({ database, table: 'packets' })
    await migrate(database, [outbox.feature])
    outbox.attach?.(hostOf(undefined))
    const message = { id: '1', topic: 'orders', headers: {}, body: Buffer.alloc(15_900_000, "'") }
    await expect(outbox.write(undefined, [{ message }])).rejects.toMatchObject({
      code: 'OUTBOX_TOO_LARGE',
      message: expect.stringContaining('max_allowed_packet'),
    })
  })

  let db: Outside
  beforeAll(async () => {
    db = await (await import('./databases.ts')).outside('MariaDB', mysqlUrl ?? '')
  })
  afterAll(() => db?.close())

  test('a transaction that can only read is told as that, and a session without autocommit is a transaction', async () => {
    const { default: mysql } = await import('mysql2/promise')
    const connection = await mysql.createConnection(mysqlUrl ?? '')
    await connection.query('START TRANSACTION READ ONLY')
    await expect(note(adapt(connection), 1)).rejects.toMatchObject({ code: 'TX_READ_ONLY' })
    await connection.query('ROLLBACK')
    await expect(note(adapt(connection), 1)).rejects.toMatchObject({ code: 'TX_AUTOCOMMIT' })
    await connection.query('SET autocommit = 0')
    await note(adapt(connection), 1)
    await connection.rollback()
    await connection.end()
    expect(await db.ids('notes')).toEqual([])
  })
})
