import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test } from 'vitest'
import { adapt } from './adapt.ts'
import { isRetryable, isUniqueViolation } from './database-errors.ts'
import { int64, numbered, reads, type SqlTx } from './sql-tx.ts'

function opened(): DatabaseSync {
  const database = new DatabaseSync(':memory:')
  onTestFinished(() => database.close())
  database.exec('CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)')
  return database
}

class Pool {
  readonly password = 'hunter2'
}

test.each([
  [new Pool(), /^a Pool is no transaction that is known here.*Kysely.*an object of your own with "dialect" and "query"$/],
  [{ password: 'hunter2' }, /^an object is no/],
  [() => 'hunter2', /^a function is no/],
  ['postgres://corebus:hunter2@db/orders', /^a string is no/],
  [undefined, /^undefined is no/],
  [null, /^null is no/],
  [Object.create(null), /^an object is no/],
])('what is not known is named by its kind, and never by what is in it (%#)', (given, message) => {
  expect(() => adapt(given)).toThrow(expect.objectContaining({ code: 'TX_UNKNOWN', message: expect.stringMatching(message) }))
  expect(() => adapt(given)).not.toThrow(/hunter2/)
})

test('an object of the user with "dialect" and "query" is taken as it is, unless it is of another database', () => {
  const own: SqlTx = { dialect: 'postgres', query: async () => ({ rows: [], affected: 0 }) }
  expect(adapt(own)).toBe(own)
  expect(adapt(own, { dialect: 'postgres' })).toBe(own)
  expect(() => adapt(own, { dialect: 'mysql' })).toThrow(
    expect.objectContaining({ code: 'TX_DIALECT', message: expect.stringContaining('is a transaction of postgres, and not of mysql') }),
  )
})

test('what is adapted already is taken as it is', () => {
  const database = opened()
  database.exec('BEGIN')
  const tx = adapt(database)
  expect(adapt(tx)).toBe(tx)
})

test('a library that does not say which database it is of is asked for it by name', () => {
  const tx = { $queryRawUnsafe: async () => [], $executeRawUnsafe: async () => 0 }
  expect(() => adapt(tx)).toThrow(
    expect.objectContaining({ code: 'TX_DIALECT', message: expect.stringContaining('an object of Prisma does not say') }),
  )
  expect(adapt(tx, { dialect: 'mysql' }).dialect).toBe('mysql')
})

test('a database that is closed has no transaction', () => {
  const database = new DatabaseSync(':memory:')
  database.exec('BEGIN')
  const tx = adapt(database)
  database.close()
  expect(() => adapt(database)).toThrow(expect.objectContaining({ code: 'TX_OVER' }))
  return expect(tx.query('SELECT 1')).rejects.toMatchObject({
    code: 'TX_OVER',
    message: expect.stringContaining('a DatabaseSync of node:sqlite'),
  })
})

test('a library that does not wait has run a statement when `query` returns', async () => {
  const database = opened()
  database.exec('BEGIN')
  const written = adapt(database).query('INSERT INTO notes VALUES (?, ?)', [1, 'a'])
  database.exec('COMMIT')
  expect(await written).toEqual({ rows: [], affected: 1 })
  expect(database.prepare('SELECT id FROM notes').all()).toHaveLength(1)
})

test('a column of another name than one lower-case word comes as it is called, and an empty result is empty', async () => {
  const database = opened()
  database.exec('BEGIN')
  const tx = adapt(database)
  expect(await tx.query('SELECT 1 AS someName')).toEqual({ rows: [{ someName: 1 }], affected: 1 })
  expect(await tx.query('SELECT id FROM notes')).toEqual({ rows: [], affected: 0 })
  expect(await tx.query('CREATE TABLE more (id INTEGER)')).toMatchObject({ rows: [] })
})

describe('a pg client that does not say in which state it is', () => {
  const client = (code: string | undefined, asked: string[]) => ({
    escapeIdentifier: () => '',
    async query(sql: string) {
      asked.push(sql)
      if (code !== undefined && sql.startsWith('LOCK')) throw Object.assign(new Error('refused'), { code })
      return { rows: [], rowCount: 1 }
    },
  })

  test('is asked before each statement', async () => {
    const asked: string[] = []
    await adapt(client(undefined, asked)).query('INSERT INTO notes VALUES (?, ?)', [1, 'a'])
    expect(asked).toEqual(['LOCK TABLE pg_catalog.pg_class IN ACCESS SHARE MODE', 'INSERT INTO notes VALUES ($1, $2)'])
    await expect(adapt(client('25P01', asked)).query('INSERT INTO notes VALUES (?)', [1])).rejects.toMatchObject({ code: 'TX_AUTOCOMMIT' })
    await expect(adapt(client('25P02', asked)).query('INSERT INTO notes VALUES (?)', [1])).rejects.toMatchObject({ code: 'TX_FAILED' })
    expect(asked).toHaveLength(4)
  })

  test('is not asked by who has begun the transaction', async () => {
    const asked: string[] = []
    await adapt(client('25P01', asked), { begun: true }).query('SELECT 1')
    expect(asked).toEqual(['SELECT 1'])
  })
})

test('a statement whose library does not say how many rows it wrote is an error, never "none"', async () => {
  const silent = { escapeIdentifier: () => '', getTransactionStatus: () => 'T', query: async () => ({ rows: [], rowCount: null }) }
  await expect(adapt(silent).query('UPDATE notes SET body = ?', ['a'])).rejects.toMatchObject({ code: 'TX_UNKNOWN' })
  expect(await adapt(silent).query('SET TRANSACTION READ ONLY')).toEqual({ rows: [], affected: 0 })
})

test('an integer of 64 bits is read from what any library gives, and never rounded', () => {
  expect([int64(7), int64(-7n), int64('9223372036854775807')]).toEqual([7n, -7n, 9_223_372_036_854_775_807n])
  for (const lost of [2 ** 53, 1.5, '1.5', 'a', '', null, undefined, true])
    expect(() => int64(lost)).toThrow(expect.objectContaining({ code: 'INTEGER_LOST' }))
})

test('placeholders are numbered in their order, and what returns rows is known by its words', () => {
  expect(numbered('INSERT INTO t VALUES (?, ?) -- done')).toBe('INSERT INTO t VALUES ($1, $2) -- done')
  expect(['SELECT 1', ' with a as (select 1) select 1', 'DELETE FROM t RETURNING id', 'PRAGMA user_version'].map(reads)).toEqual(
    Array(4).fill(true),
  )
  expect(['INSERT INTO selected VALUES (1)', 'DELETE FROM t', 'COMMIT'].map(reads)).toEqual(Array(3).fill(false))
})

/** As each library wraps what its database says. */
const WRAPPED = (inner: object) => [inner, { cause: inner }, { driverError: inner }, { meta: { driverAdapterError: { cause: inner } } }]

test.each([
  [{ code: '23505' }, true, false],
  [{ code: 'ER_DUP_ENTRY', errno: 1062 }, true, false],
  [{ errcode: 1555, code: 'ERR_SQLITE_ERROR' }, true, false],
  [{ errcode: 2067, code: 'ERR_SQLITE_ERROR' }, true, false],
  [{ code: 'SQLITE_CONSTRAINT_UNIQUE' }, true, false],
  [{ code: 'SQLITE_CONSTRAINT_NOTNULL' }, false, false],
  [{ errcode: 1299, code: 'ERR_SQLITE_ERROR' }, false, false],
  [{ code: 'P2002' }, true, false],
  [{ originalCode: '1555', kind: 'UniqueConstraintViolation' }, true, false],
  [{ code: '40001' }, false, true],
  [{ code: '40P01' }, false, true],
  [{ code: 'ER_LOCK_DEADLOCK', errno: 1213, sqlState: '40001' }, false, true],
  [{ code: 'ER_LOCK_WAIT_TIMEOUT', errno: 1205 }, false, true],
  [{ errcode: 5 }, false, true],
  [{ errcode: 517 }, false, true],
  [{ code: 'SQLITE_BUSY_SNAPSHOT' }, false, true],
  [{ originalMessage: 'SQLITE_BUSY: database is locked' }, false, true],
  [{ code: 'P2034' }, false, true],
  [{ code: 'ECONNRESET', errno: -104 }, false, false],
  [{ code: '23503' }, false, false],
])('%o is told from its code, however it is wrapped: unique %s, to be tried again %s', (error, unique, retryable) => {
  for (const wrapped of WRAPPED(error)) expect([isUniqueViolation(wrapped), isRetryable(wrapped)]).toEqual([unique, retryable])
})

test('what is no error, and one that is its own cause, is neither', () => {
  const loop: { cause?: unknown } = {}
  loop.cause = loop
  for (const one of [undefined, null, 'a', 23505, loop]) expect([isUniqueViolation(one), isRetryable(one)]).toEqual([false, false])
})
