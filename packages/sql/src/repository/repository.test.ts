import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { freshDatabase } from '../fixtures/database.ts'
import { repositorySuite } from '../fixtures/repository-suite.ts'
import { sqliteSession } from '../session/sqlite.ts'
import type { PageQuery } from './page.ts'
import { sqlRepository } from './repository.ts'

describe('a repository over node:sqlite', () => {
  repositorySuite(() => {
    const { database } = freshDatabase()
    return { dialect: 'sqlite', ...sqliteSession(database), run: async (statement) => database.exec(statement) }
  })
})

test('a plain connection can be read from, and written to in a transaction alone', async () => {
  const database = new DatabaseSync(':memory:')
  onTestFinished(() => database.close())
  database.exec('CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)')
  const notes = sqlRepository<{ id: number; body: string | null }>({ table: 'notes', columns: { id: 'integer', body: 'text?' } })
  expect(await notes.list(database, { where: [], order: [{ column: 'id', descending: false }], limit: 1 })).toEqual([])
  await expect(notes.insert(database, { body: 'x' })).rejects.toMatchObject({ code: 'TX_AUTOCOMMIT' })
  database.exec('BEGIN')
  expect(await notes.insert(database, {})).toEqual({ id: 1, body: null })
  expect(await notes.find(database, 1)).toEqual({ id: 1, body: null })
})

test('an integer beyond 2^53 in a column of the kind integer is an error, not another number', async () => {
  const { database } = freshDatabase()
  database.exec('CREATE TABLE parts (id INTEGER PRIMARY KEY, thing_id INTEGER)')
  database.exec(`INSERT INTO parts (id, thing_id) VALUES (9007199254740993, 9007199254740993)`)
  const parts = sqlRepository<{ id: string; thing_id: number }>({ table: 'parts', columns: { id: 'bigint', thing_id: 'integer' } })
  await expect(parts.find(database, '9007199254740993')).rejects.toMatchObject({ code: 'INTEGER_LOST' })
  // As a number it would be that of its neighbour.
  database.exec('INSERT INTO parts (id, thing_id) VALUES (9007199254740992, 1)')
  const numbers = sqlRepository<{ id: number }>({ table: 'parts', columns: { id: 'integer' } })
  expect(await numbers.find(database, '9007199254740993')).toBeUndefined()
  const exact = sqlRepository<{ id: string; thing_id: string }>({ table: 'parts', columns: { id: 'bigint', thing_id: 'bigint' } })
  expect(await exact.find(database, '9007199254740993')).toEqual({ id: '9007199254740993', thing_id: '9007199254740993' })
})

test.each([
  [{ table: 'a b', columns: { id: 'integer' } }, /table must be the name of a table/],
  [{ table: 'notes', columns: { id: 'int' } }, /"int" is no kind of column/],
  [{ table: 'notes', columns: { id: 'constructor' } }, /"constructor" is no kind of column/],
  [{ table: 'notes', columns: { id: 'integer', 'a"b': 'text' } }, /a"b is no name of a column/],
  [{ table: 'notes', columns: { name: 'text' } }, /the key id of notes is not among its columns/],
  [{ table: 'notes', columns: { id: 'integer' }, keys: 'id' }, /keys/],
])('%j is refused', (options, message) => {
  expect(() => sqlRepository(options as never)).toThrow(
    expect.objectContaining({ code: 'OPTION', message: expect.stringMatching(message) }),
  )
})

test('the pages of any order are the whole list, whatever is equal or null in it', async () => {
  const database = new DatabaseSync(':memory:')
  onTestFinished(() => database.close())
  database.exec('CREATE TABLE rows (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL NOT NULL)')
  const repository = sqlRepository<{ id: number; a: number | null; b: string | null; c: number }>({
    table: 'rows',
    columns: { id: 'integer', a: 'integer?', b: 'text?', c: 'number' },
  })
  const some = fc.record({
    a: fc.option(fc.integer({ min: 0, max: 2 })),
    b: fc.option(fc.constantFrom('', 'a', 'B', 'é')),
    c: fc.constantFrom(-1.5, 0, 1e-7),
  })
  const orders = fc
    .shuffledSubarray(['a', 'b', 'c'])
    .chain((columns) =>
      fc.tuple(...[...columns, 'id'].map((column) => fc.record({ column: fc.constant(column), descending: fc.boolean() }))),
    )
  await fc.assert(
    fc.asyncProperty(fc.array(some, { maxLength: 12 }), orders, fc.integer({ min: 1, max: 4 }), async (rows, order, limit) => {
      database.exec('DELETE FROM rows')
      for (const { a, b, c } of rows) database.prepare('INSERT INTO rows (a, b, c) VALUES (?, ?, ?)').run(a, b, c)
      const all = await repository.list(database, { where: [], order, limit: 100 })
      const paged: unknown[] = []
      for (let after: PageQuery['after']; ; ) {
        const page = await repository.list(database, { where: [], order, limit, ...(after && { after }) })
        const last = page.at(-1)
        if (!last) break
        paged.push(...page)
        after = order.map(({ column }) => Reflect.get(last, column))
      }
      expect(paged).toEqual(all)
    }),
    { numRuns: 300 },
  )
})
