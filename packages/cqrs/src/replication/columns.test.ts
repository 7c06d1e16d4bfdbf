import type { Dialect, SqlTx } from '@corebus/sql'
import { expect, test } from 'vitest'
import { side } from '../fixtures/catalog.ts'
import { columnsOf } from './columns.ts'
import { master } from './master.ts'
import { sync } from './sync.ts'

/** The catalogue of a database that has columns of these types. */
const catalogue = (dialect: Dialect, types: readonly string[]): SqlTx => ({
  dialect,
  query: async () => ({ rows: types.map((type, n) => ({ name: `c${n}`, type, required: 0, given: 0, made: 0, prime: 0 })), affected: 0 }),
})

test.each<readonly [Dialect, Readonly<Record<string, string>>]>([
  [
    'postgres',
    {
      smallint: 'integer',
      bigint: 'integer',
      interval: 'text',
      int4range: 'text',
      point: 'text',
      'text[]': 'text',
      'integer[]': 'text',
      'boolean[]': 'text',
      'app.print_state': 'text',
      real_estate: 'text',
      boolean: 'boolean',
      'numeric(12,2)': 'decimal',
      'double precision': 'number',
      'timestamp(3) with time zone': 'time',
      'timestamp without time zone': 'localtime',
      bytea: 'bytes',
    },
  ],
  [
    'mysql',
    {
      'bigint(20) unsigned': 'integer',
      'tinyint(1)': 'boolean',
      'tinyint(4)': 'integer',
      'year(4)': 'integer',
      "enum('print','blob')": 'text',
      "set('real','floating')": 'text',
      'float unsigned': 'number',
      'varbinary(16)': 'bytes',
      longblob: 'bytes',
      point: 'bytes',
      'datetime(6)': 'time',
      tinytext: 'text',
    },
  ],
  [
    'sqlite',
    {
      'UNSIGNED BIG INT': 'integer',
      BOOLEAN: 'boolean',
      'DOUBLE PRECISION': 'number',
      FLOAT8: 'number',
      BLOB: 'bytes',
      '': 'bytes',
      'VARCHAR(9)': 'text',
    },
  ],
])('the kinds of the types of %s', async (dialect, kinds) => {
  const columns = await columnsOf(catalogue(dialect, Object.keys(kinds)), 't')
  expect(Object.fromEntries(columns.map(({ type, kind }) => [type, kind]))).toEqual(kinds)
})

test.each([
  [
    'JSON',
    `'{"a": [1, 9007199254740993]}'`,
    /column v \(JSON\) holds JSON with the number 9007199254740993, which would travel as 9007199254740992/,
  ],
  ['TEXT', "x'6869'", /column v \(TEXT\) holds bytes/],
])('a value of %s that would travel as another one is refused: %s', async (type, value, why) => {
  const { database, workings } = await side([master('t', { table: 't', key: 'id' })], `CREATE TABLE t (id INTEGER PRIMARY KEY, v ${type})`)
  database.exec(`INSERT INTO t VALUES (1, ${value})`)
  await expect(sync(workings.masters[0]!)).rejects.toMatchObject({ code: 'MASTER_FIELD', message: expect.stringMatching(why) })
})

test('long numbers in JSON that a number can be travel', async () => {
  const { database, workings, outbox } = await side(
    [master('t', { table: 't', key: 'id' })],
    'CREATE TABLE t (id INTEGER PRIMARY KEY, v JSON)',
  )
  database.exec(
    `INSERT INTO t VALUES (1, '{"a": 9007199254740992, "b": 0.1234567890123456, "c": "9007199254740993", "d": 10000000000000000.0}')`,
  )
  await sync(workings.masters[0]!)
  outbox.commit()
  expect(outbox.changes[0]?.row?.v).toEqual({ a: 2 ** 53, b: 0.1234567890123456, c: '9007199254740993', d: 1e16 })
})
