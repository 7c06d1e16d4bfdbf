import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { add, freshDatabase, ids } from '../fixtures/database.ts'
import { sqliteSession } from './sqlite.ts'

test('who reads waits for no transaction and sees nothing of it', async () => {
  const { database } = freshDatabase()
  const { write, read } = sqliteSession(database)
  await write(async (db) => add(db, 1))
  const inside = Promise.withResolvers<void>()
  const writing = write(async (db) => {
    add(db, 2)
    inside.resolve()
    await sleep(300)
  })
  await inside.promise
  const startedAt = performance.now()
  expect(await read(async (db) => ids(db))).toEqual([1])
  expect(performance.now() - startedAt).toBeLessThan(250)
  await writing
  expect(await read(async (db) => ids(db))).toEqual([1, 2])
})

test.each(['WAL', 'DELETE', 'in memory'])('who reads can write nothing, and who writes can again after it (%s)', async (mode) => {
  const { database } = mode === 'in memory' ? { database: new DatabaseSync(':memory:') } : freshDatabase()
  database.exec(mode === 'in memory' ? 'CREATE TABLE orders (id INTEGER PRIMARY KEY)' : `PRAGMA journal_mode = ${mode}`)
  const { write, read } = sqliteSession(database)
  await expect(read(async (db) => add(db, 1))).rejects.toMatchObject({
    code: 'SESSION_READS',
    message: expect.stringContaining('say session: true'),
  })
  await write(async (db) => add(db, 2))
  expect(await read(async (db) => ids(db))).toEqual([2])
})

test('without a write-ahead log who reads takes turns: a writer that spills its cache locks readers out, and must not be waited for by the event loop', async () => {
  const { database } = freshDatabase()
  database.exec('PRAGMA journal_mode = DELETE; PRAGMA cache_size = 10; CREATE TABLE wide (text TEXT)')
  const { write, read } = sqliteSession(database)
  const inside = Promise.withResolvers<void>()
  const writing = write(async (db) => {
    for (let n = 0; n < 2_000; n++) db.prepare('INSERT INTO wide VALUES (?)').run('x'.repeat(1_000))
    add(db, 1)
    inside.resolve()
    await sleep(100)
  })
  await inside.promise
  expect(await read(async (db) => ids(db))).toEqual([1])
  await writing
})

test('a database in memory has one connection: who reads takes turns with who writes', async () => {
  const database = new DatabaseSync(':memory:')
  onTestFinished(() => database.close())
  database.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY)')
  const { write, read } = sqliteSession(database)
  const writing = write(async (db) => {
    add(db, 1)
    await sleep(50)
    throw new Error('no')
  }).catch(() => undefined)
  expect(await read(async (db) => ids(db))).toEqual([])
  await writing
})
