import { fork } from 'node:child_process'
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { add, freshDatabase, ids, open } from '../fixtures/database.ts'
import { sqliteSession } from './sqlite.ts'

test('commits what resolves, rolls back what rejects, and passes both on', async () => {
  const { database } = freshDatabase()
  const { write: session } = sqliteSession(database)
  expect(
    await session(async (db) => {
      add(db, 1)
      return db instanceof DatabaseSync && db.isTransaction
    }),
  ).toBe(true)
  const failed = session(async (db) => {
    add(db, 2)
    throw new Error('no')
  })
  await expect(failed).rejects.toThrow('no')
  expect(ids(database)).toEqual([1])
})

test('a connection that is kept refuses to be used when its session is over', async () => {
  const { database } = freshDatabase()
  const { write: session } = sqliteSession(database)
  const kept = await session(async (db) => ({ db, prepare: db.prepare }))
  expect(() => kept.db.exec('INSERT INTO orders VALUES (1)')).toThrow(expect.objectContaining({ code: 'TX_OVER' }))
  await session(async () => expect(() => kept.prepare('SELECT 1')).toThrow(expect.objectContaining({ code: 'TX_OVER' })))
  expect(ids(database)).toEqual([])
})

test('sessions at once, of which some throw, lose no row of their neighbours', async () => {
  const { database } = freshDatabase()
  const { write: session } = sqliteSession(database)
  const results = await Promise.allSettled(
    Array.from({ length: 60 }, (_, id) =>
      session(async (db) => {
        add(db, id)
        await sleep(id % 4)
        if (id % 3 === 0) throw new Error(`${id}`)
        return id
      }),
    ),
  )
  const kept = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  expect(kept).toHaveLength(40)
  expect(ids(database)).toEqual(kept)
})

test('a commit that fails is rolled back, says why, and leaves the connection usable', async () => {
  const { database } = freshDatabase()
  database.exec('PRAGMA foreign_keys = ON; CREATE TABLE line (order_id INTEGER REFERENCES orders DEFERRABLE INITIALLY DEFERRED)')
  const { write: session } = sqliteSession(database)
  const failed = session(async (db) => {
    add(db, 1)
    db.exec('INSERT INTO line VALUES (77)')
  })
  await expect(failed).rejects.toThrow('FOREIGN KEY constraint failed')
  expect([database.isTransaction, ids(database)]).toEqual([false, []])
  await session(async (db) => add(db, 2))
  expect(ids(database)).toEqual([2])
})

test('a transaction that SQLite has ended by itself is told as what ended it', async () => {
  const { database } = freshDatabase()
  const failed = sqliteSession(database).write(async (db) => {
    add(db, 1)
    db.exec('INSERT OR ROLLBACK INTO orders VALUES (1)')
  })
  await expect(failed).rejects.toThrow('UNIQUE constraint failed')
})

test('a connection that is in a transaction already is an error that says so', async () => {
  const { file, database } = freshDatabase()
  database.exec('BEGIN')
  const failed = sqliteSession(database).write(async (db) => add(db, 1))
  await expect(failed).rejects.toMatchObject({ code: 'SESSION_OPEN', message: expect.stringContaining(file) })
})

/** Counts turns of the event loop: a statement that waits inside SQLite stops it. */
function turns() {
  let n = 0
  const timer = setInterval(() => n++, 5)
  return () => {
    clearInterval(timer)
    return n
  }
}

test.each([0, 5_000])(
  'waits for the lock of another connection without blocking the event loop, its own timeout being %i ms',
  async (timeout) => {
    const { file } = freshDatabase()
    const database = open(file, { timeout })
    const other = open(file)
    other.exec('BEGIN IMMEDIATE')
    const turned = turns()
    const waiting = sqliteSession(database).write(async (db) => add(db, 1))
    await sleep(200)
    other.exec('INSERT INTO orders VALUES (0); COMMIT')
    await waiting
    expect(turned()).toBeGreaterThan(15)
    expect(ids(database)).toEqual([0, 1])
    expect(database.prepare('PRAGMA busy_timeout').get()).toEqual({ timeout })
  },
)

test('a commit that has to wait for a reader is tried again', async () => {
  const { file, database } = freshDatabase()
  database.exec('PRAGMA journal_mode = DELETE')
  await sqliteSession(database).write(async (db) => db.exec('INSERT INTO orders VALUES (1), (2), (3)'))
  const other = open(file)
  const reading = other.prepare('SELECT id FROM orders').iterate()
  reading.next()
  const committing = sqliteSession(database).write(async (db) => add(db, 4))
  await sleep(100)
  expect(database.isTransaction).toBe(true)
  reading.return?.()
  await committing
  expect(ids(other)).toEqual([1, 2, 3, 4])
})

async function lockedByAnotherProcess(file: string) {
  const child = fork(new URL('../fixtures/lock.ts', import.meta.url), [file], {
    stdio: 'inherit',
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

test('waits for the lock of another process', async () => {
  const { file, database } = freshDatabase()
  const child = await lockedByAnotherProcess(file)
  const waiting = sqliteSession(database).write(async (db) => add(db, 1))
  await sleep(50)
  child.send('commit')
  await waiting
  expect(ids(database)).toEqual([0, 1])
})

test('a lock of another process that stays is an error that says how long, and the next session may succeed', async () => {
  const { file, database } = freshDatabase()
  const child = await lockedByAnotherProcess(file)
  const { write: session } = sqliteSession(database, { busyTimeoutMs: 150 })
  const before = performance.now()
  await expect(session(async (db) => add(db, 1))).rejects.toMatchObject({
    code: 'SESSION_BUSY',
    message: expect.stringContaining(
      `BEGIN IMMEDIATE: ${file} was locked by another process or connection for 150 ms (busyTimeoutMs). Does somebody wait`,
    ),
  })
  expect(performance.now() - before).toBeGreaterThanOrEqual(145)
  child.send('commit')
  await once(child, 'exit')
  await session(async (db) => add(db, 1))
  expect(ids(database)).toEqual([0, 1])
})

test('databases in memory do not wait for each other', async () => {
  const [one, two] = [0, 1].map(() => {
    const database = new DatabaseSync(':memory:')
    onTestFinished(() => database.close())
    return sqliteSession(database)
  }) as [ReturnType<typeof sqliteSession>, ReturnType<typeof sqliteSession>]
  expect(await one.write(() => two.write(async () => 'both open'))).toBe('both open')
})
