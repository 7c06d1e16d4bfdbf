import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createMessaging, type Sessions } from '@corebus/core'
import { adapt, migrate, type SqlTx } from '@corebus/sql'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest'
import type { DatabaseName } from './cases/case.ts'
import type { Opened, SessionCase, Writes } from './cases/session-case.ts'
import type { Outside } from './databases.ts'

const servers = inject('servers')
const cases = inject('librariesInstalled') ? await import('./cases/sessions.ts') : undefined

test.skipIf(cases === undefined)('there is a session of every library', () => {
  expect(cases?.SESSION_CASES.length).toBeGreaterThan(20)
})

const URLS: Readonly<Record<DatabaseName, string | undefined>> = {
  SQLite: 'a file of its own',
  PGlite: 'in the process',
  PostgreSQL: servers.postgres,
  MariaDB: servers.mariadb,
}

describe.each(cases?.SESSION_CASES ?? [])('$library on $database', (one) => {
  describe.skipIf(!URLS[one.database])('', () => suite(one))
})

/** What PostgreSQL says of a serialisation failure. */
const conflict = () => Object.assign(new Error('could not serialize access'), { code: '40001' })

const LEVEL = {
  postgres: "SELECT current_setting('transaction_isolation') AS level",
  mysql: 'SELECT trx_isolation_level AS level FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID()',
  sqlite: '',
}

/** The isolation of the transaction that this runs in, as its database says it: MariaDB a moment late. */
async function levelOf(tx: SqlTx): Promise<string> {
  for (;;) {
    const { rows } = await tx.query(LEVEL[tx.dialect])
    if (rows[0]) return String(rows[0].level).toLowerCase()
    await sleep(250) // asked more often it says the same
  }
}

async function kill(db: Outside, tx: SqlTx): Promise<void> {
  const { rows } = await tx.query(tx.dialect === 'mysql' ? 'SELECT CONNECTION_ID() AS id' : 'SELECT pg_backend_pid() AS id')
  await db.run(tx.dialect === 'mysql' ? `KILL ${rows[0]?.id}` : `SELECT pg_terminate_backend(${rows[0]?.id})`)
}

function suite({ library, database, open, sqlite }: SessionCase): void {
  const url = URLS[database] ?? ''
  const isPostgres = database === 'PostgreSQL' || database === 'PGlite'
  const dialect = { SQLite: 'sqlite', MariaDB: 'mysql', PostgreSQL: 'postgres', PGlite: 'postgres' }[database] as SqlTx['dialect']
  let db: Outside
  let session: Opened
  const orders = () => db.ids('orders')

  beforeAll(async () => {
    const { outside } = await import('./databases.ts')
    db = await outside(database, url, sqlite)
    session = await open(db.at)
  })
  afterAll(async () => {
    await session?.close()
    await db?.close()
  })
  beforeEach(async () => {
    await db.run('DELETE FROM orders')
    await db.run('DELETE FROM notes')
  })

  test('a session commits when its work resolves, and passes on what it resolved with', async () => {
    const result = await session.write(async ({ insertOrder }) => {
      await insertOrder(1)
      return 'done'
    })
    expect([result, await orders()]).toEqual(['done', [1]])
  })

  test('a session rolls back when its work throws, and passes the error on', async () => {
    const error = new Error('no')
    const failed = session.write(async ({ insertOrder }) => {
      await insertOrder(1)
      throw error
    })
    await expect(failed).rejects.toBe(error)
    expect(await orders()).toEqual([])
  })

  test.each(['commits', 'rolls back'])('what goes on to write after its session %s is refused, and nothing of it is kept', async (how) => {
    let kept: Writes | undefined
    await session
      .write(async (writes) => {
        kept = writes
        await writes.insertOrder(1)
        if (how === 'rolls back') throw new Error('no')
      })
      .catch(() => undefined)
    await expect(kept?.insertOrder(2)).rejects.toThrow()
    // Nor does it become part of the next session.
    await session.write(async ({ insertOrder }) => {
      await insertOrder(3)
      await expect(kept?.insertOrder(4)).rejects.toThrow()
    })
    expect(await orders()).toEqual(how === 'commits' ? [1, 3] : [3])
  })

  test('of two sessions at once one rolls back, and the other keeps what it wrote', async () => {
    const [first, second] = await Promise.allSettled([
      session.write(async ({ insertOrder }) => {
        await insertOrder(1)
        await sleep(40)
        throw new Error('no')
      }),
      sleep(10).then(() => session.write(({ insertOrder }) => insertOrder(2))),
    ])
    expect([first.status, second.status, await orders()]).toEqual(['rejected', 'fulfilled', [2]])
  })

  test('a session that the database ended because of another one is run again, 3 times at most', async () => {
    let runs = 0
    await session.write(async ({ insertOrder }) => {
      await insertOrder(++runs)
      if (runs < 4) throw conflict()
    })
    expect([runs, await orders()]).toEqual([4, [4]])
    runs = 0
    const failed = session.write(async () => {
      runs++
      throw conflict()
    })
    await expect(failed).rejects.toMatchObject({ code: '40001' })
    expect(runs).toBe(4)
  })

  if (database === 'PostgreSQL' || database === 'MariaDB')
    test('two sessions that wait for each other both succeed', async () => {
      const { database: ours } = session
      await ours.transaction(async (tx) => {
        await tx.query('INSERT INTO notes (id, small) VALUES (1, 0), (2, 0)')
      })
      const both = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const done = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      let runs = 0
      const touch = async (n: number) => {
        let again = false
        await session.write(async ({ tx }) => {
          runs++
          // Who is run again could win the same race again.
          if (again) await done[1 - n]?.promise
          again = true
          const sql = adapt(tx, { dialect })
          await sql.query('UPDATE notes SET small = small + 1 WHERE id = ?', [1 + n])
          both[n]?.resolve()
          await both[1 - n]?.promise
          await sql.query('UPDATE notes SET small = small + 1 WHERE id = ?', [2 - n])
        })
        done[n]?.resolve()
      }
      await Promise.all([touch(0), touch(1)])
      const { rows } = await ours.read((tx) => tx.query('SELECT small FROM notes'))
      expect([runs, rows]).toEqual([3, [{ small: 2 }, { small: 2 }]])
    })

  if (database === 'MariaDB')
    test('a session of which a statement was a deadlock and whose error was swallowed is run again, and writes nothing outside of its transaction', async () => {
      const { database: ours } = session
      await ours.transaction((tx) => tx.query('INSERT INTO notes (id, small) VALUES (1, 0), (2, 0)'))
      const [locked, other] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      let runs = 0
      const swallowing = session.write(async ({ tx, insertOrder }) => {
        const sql = adapt(tx, { dialect })
        if (++runs > 1) return insertOrder(10 + runs)
        await insertOrder(1)
        await sql.query('UPDATE notes SET small = small + 1 WHERE id = 1')
        locked.resolve()
        await other.promise
        await sql.query('UPDATE notes SET small = small + 1 WHERE id = 2').catch(() => undefined)
        await insertOrder(2).catch(() => undefined)
      })
      await locked.promise
      // The other one has changed more, so that it is not the one that the server ends.
      await ours.transaction(async (tx) => {
        for (let n = 0; n < 20; n++) await tx.query('INSERT INTO notes (id) VALUES (?)', [100 + n])
        await tx.query('UPDATE notes SET small = small + 1 WHERE id = 2')
        const waiting = tx.query('UPDATE notes SET small = small + 1 WHERE id = 1')
        other.resolve()
        await waiting
      })
      if (library === 'prismaSession') {
        // It shows nobody what its statements go through.
        await swallowing
        expect(runs).toBe(1)
        return
      }
      await swallowing
      expect([runs, await orders()]).toEqual([2, [12]])
    })

  if (database === 'PostgreSQL' || database === 'MariaDB')
    test('a session whose connection is lost fails, keeps nothing, and the next one works', async () => {
      const own = await open(db.at)
      const lost = own.write(async ({ tx, insertOrder }) => {
        await insertOrder(1)
        await kill(db, adapt(tx, { dialect, begun: true }))
        await sleep(50)
        await insertOrder(2)
      })
      await expect(lost).rejects.toThrow()
      await own.write(({ insertOrder }) => insertOrder(3))
      expect(await orders()).toEqual([3])
      // Not waited for: MikroORM never ends a pool that has lost a connection.
      void Promise.resolve(own.close()).catch(() => undefined)
    })

  test('a session has the isolation that was asked for, and our own transactions see what is committed', async () => {
    if (database === 'SQLite') {
      if (library === 'sqliteSession' || library === 'betterSqliteSession') return // they have no such option
      await expect(async () => open(db.at, { isolation: 'serializable' })).rejects.toMatchObject({ code: 'OPTION' })
      return
    }
    const serializable = await open(db.at, { isolation: 'serializable' })
    const level = await serializable.write(async ({ tx, insertOrder }) => {
      await insertOrder(1)
      return levelOf(adapt(tx, { dialect, begun: true }))
    })
    await serializable.close()
    const ours = await session.database.transaction(async (tx) => {
      await tx.query('INSERT INTO notes (id) VALUES (?)', [1])
      return levelOf(tx)
    })
    expect([level, ours]).toEqual(['serializable', 'read committed'])
  })

  test('a session that only reads refuses to write, and the next one writes', async () => {
    const reading = session.read(async ({ insertOrder }) => {
      await insertOrder(1)
    })
    await expect(reading).rejects.toMatchObject({ code: 'SESSION_READS' })
    await session.write(({ insertOrder }) => insertOrder(2))
    expect(await orders()).toEqual([2])
  })

  test('a session that only reads gives what its work resolved with', async () => {
    expect(await session.read(async () => 'read')).toBe('read')
  })

  if (isPostgres)
    test('a session of which a statement failed and whose error was swallowed fails, since PostgreSQL rolls it back', async () => {
      const swallowing = session.write(async ({ insertOrder }) => {
        await insertOrder(1)
        await insertOrder(1).catch(() => undefined)
      })
      await expect(swallowing).rejects.toThrow()
      expect(await orders()).toEqual([])
    })

  test('what a handler wrote that has timed out is never seen, also what it writes after that, and its retry is', async () => {
    const messaging = createMessaging<{ db: Writes }>({
      broker: 'memory',
      url: `memory://${randomUUID()}`,
      service: 'orders-api',
      session: { write: session.write, read: session.read } as Sessions<Writes>,
      handlerTimeoutMs: 400,
      env: { LOG_LEVEL: 'silent' },
    })
    onTestFinished(() => messaging.close())
    let ran = 0
    messaging.handle(
      { topic: 'orders', group: 'orders', maxRetries: 20, retryDelayMs: 10 },
      async (_: unknown, { db, attempt, signal }) => {
        ran = attempt
        await db.insertOrder(attempt)
        if (attempt > 1) return
        await once(signal, 'abort')
        await db.insertOrder(100)
      },
    )
    await messaging.start()
    await messaging.getProducer().send('orders', 1)
    const seen = new Set<number>()
    const look = async () => {
      for (const id of await orders()) seen.add(id)
      return messaging.counters.handled
    }
    await expect.poll(look, { timeout: 25_000 }).toBe(1)
    await look()
    // The second one may be late too where the machine stands still.
    expect(ran).toBeGreaterThan(1)
    expect([...seen]).toEqual([ran])
  })

  test('transactions of our own commit, roll back and read', async () => {
    const { database: ours } = session
    await ours.transaction((tx) => tx.query('INSERT INTO notes (id) VALUES (?)', [1]))
    const failed = ours.transaction(async (tx) => {
      await tx.query('INSERT INTO notes (id) VALUES (?)', [2])
      throw new Error('no')
    })
    await expect(failed).rejects.toThrow('no')
    await expect(ours.read((tx) => tx.query('INSERT INTO notes (id) VALUES (3)'))).rejects.toThrow()
    const { rows } = await ours.read((tx) => tx.query('SELECT small, id FROM notes'))
    expect(rows.map(({ id }) => Number(id))).toEqual([1])
    expect(ours.where).not.toMatch(/password|postgres:\/\//)
  })

  test('tables are made once, by several processes at once', async () => {
    await db.run('DROP TABLE IF EXISTS corebus_schema')
    const feature = { name: 'made', version: 3, ddl: () => ['CREATE TABLE IF NOT EXISTS made (id INTEGER PRIMARY KEY)'] }
    await Promise.all([migrate(session, [{ feature }]), migrate(session.database, [feature])])
    const { rows } = await session.database.read((tx) => tx.query('SELECT name, version FROM corebus_schema'))
    expect(rows).toEqual([{ name: 'made', version: 3 }])
    await session.database.transaction((tx) => tx.query('INSERT INTO made (id) VALUES (1)'))
    await db.run('DROP TABLE made')
  })

  if (isPostgres)
    test('a connection of our own is told of a NOTIFY, and given back', async () => {
      const connection = await session.database.connect?.()
      if (!connection?.listen) return // Kysely, Knex, Prisma and MikroORM have no way to
      const told = Promise.withResolvers<void>()
      await connection.listen('corebus_test', told.resolve)
      await session.database.transaction((tx) => tx.query("SELECT pg_notify('corebus_test', '')"))
      await told.promise
      await connection.transaction((tx) => tx.query('INSERT INTO notes (id) VALUES (?)', [7]))
      await connection.close()
      expect(await db.ids('notes')).toEqual([7])
    })

  if (database === 'SQLite') {
    test('a session inside of another one of the file is an error instead of a wait without end', async () => {
      const nested = session.write(() => session.write(async () => undefined))
      await expect(nested).rejects.toMatchObject({ code: 'SESSION_NESTED' })
    })

    // Nobody would tell the other process to end if the event loop stood still.
    test('a session waits for another process that has the file locked, and the event loop runs on', async () => {
      const other = fork(new URL('cases/lock.ts', import.meta.url), [db.at])
      await once(other, 'message')
      const waiting = session.write(({ insertOrder }) => insertOrder(1))
      await sleep(150)
      other.kill()
      await waiting
      expect(await orders()).toEqual([1])
    })
  }
}
