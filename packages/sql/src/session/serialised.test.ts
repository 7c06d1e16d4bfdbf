import { symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { add, freshDatabase, ids, open } from '../fixtures/database.ts'
import { serialised } from './serialised.ts'
import { sqliteSession } from './sqlite.ts'

/** The session of a library that shares one connection and begins without asking who else has: it loses rows by itself. */
const library =
  (database: DatabaseSync) =>
  async <T>(work: (db: DatabaseSync) => Promise<T>): Promise<T> => {
    if (!database.isTransaction) database.exec('BEGIN')
    try {
      const result = await work(database)
      if (database.isTransaction) database.exec('COMMIT')
      return result
    } catch (thrown) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw thrown
    }
  }

/** A: insert, wait, throw. B, a little later: insert, commit. What is left of them? */
async function neighbours(session: ReturnType<typeof library>, database: DatabaseSync): Promise<number[]> {
  const a = session(async (db) => {
    add(db, 1)
    await sleep(40)
    throw new Error('A')
  })
  await sleep(10)
  const b = session(async (db) => {
    add(db, 2)
    await sleep(60)
  })
  await Promise.allSettled([a, b])
  return ids(database)
}

test('a session that shares one connection loses the row of a neighbour; serialised, it does not', async () => {
  const alone = freshDatabase()
  expect(await neighbours(library(alone.database), alone.database)).toEqual([])
  const { file, database } = freshDatabase()
  expect(await neighbours(serialised(file, library(database)), database)).toEqual([2])
})

test('first come, first served, and one that throws holds nobody up', async () => {
  const session = serialised({}, (work) => work(undefined))
  const order: number[] = []
  await Promise.allSettled(
    [1, 2, 3, 4, 5].map((n) =>
      session(async () => {
        await sleep(5 - n)
        order.push(n)
        if (n === 2) throw new Error('2')
      }),
    ),
  )
  expect(order).toEqual([1, 2, 3, 4, 5])
})

test('all who open one file share one line, whatever they call it', async () => {
  const { file, database } = freshDatabase()
  const link = join(dirname(file), 'link.db')
  symlinkSync(file, link)
  const sessions = [
    sqliteSession(database).write,
    sqliteSession(open(file)).write,
    sqliteSession(open(link)).write,
    serialised(relative(process.cwd(), file), (work) => work(undefined)),
    serialised(`file:${file}?mode=rw`, (work) => work(undefined)),
    serialised(link, (work) => work(undefined)),
  ]
  let open_ = 0
  let most = 0
  await Promise.all(
    sessions.map((session) =>
      session(async () => {
        most = Math.max(most, ++open_)
        await sleep(5)
        open_--
      }),
    ),
  )
  expect(most).toBe(1)
})

describe('a session inside of a session', () => {
  test('of the same file is an error, not a hang, and says what to do', async () => {
    const { file, database } = freshDatabase()
    const { write: session } = sqliteSession(database)
    const nested = session(() => sqliteSession(open(file)).write(async () => 'never'))
    await expect(nested).rejects.toMatchObject({
      code: 'SESSION_NESTED',
      message: expect.stringContaining('Pass on the db of the outer session'),
    })
    expect(await session(async () => 'again')).toBe('again')
  })

  test('is found with another file in between', async () => {
    const one = freshDatabase()
    const two = freshDatabase()
    const nested = sqliteSession(one.database).write(() =>
      sqliteSession(two.database).write(() => sqliteSession(open(one.file)).write(async () => 'never')),
    )
    await expect(nested).rejects.toMatchObject({ code: 'SESSION_NESTED' })
  })

  test('is none, when the outer one has ended before', async () => {
    const { database } = freshDatabase()
    const { write: session } = sqliteSession(database)
    let later: Promise<string> | undefined
    await session(async () => {
      later = sleep(20).then(() => session(async () => 'on its own'))
    })
    expect(await later).toBe('on its own')
  })
})
