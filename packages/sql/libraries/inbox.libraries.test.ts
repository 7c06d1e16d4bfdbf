import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { CHANNEL, createMessaging, type Sessions, type SettleRecord } from '@corebus/core'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { migrate } from '../src/database/schema.ts'
import { sqlInbox } from '../src/inbox/inbox.ts'
import { deleteExpired, takeCleanUp } from '../src/inbox/table.ts'
import { isRetryable } from '../src/tx/database-errors.ts'
import type { SqlTx } from '../src/tx/sql-tx.ts'
import type { Case, DatabaseName, Library } from './cases/case.ts'
import type { Outside } from './databases.ts'
import type { Store } from './stores.ts'

const servers = inject('servers')
const installed = inject('librariesInstalled')
const stores = installed ? await import('./stores.ts') : undefined
const cases = installed ? await import('./cases/all.ts') : undefined

const URLS: Readonly<Record<DatabaseName, string | undefined>> = {
  SQLite: 'a file of its own',
  PGlite: 'in the process',
  PostgreSQL: servers.postgres,
  MariaDB: servers.mariadb,
}
const NAMES: readonly DatabaseName[] = ['SQLite', 'PGlite', 'PostgreSQL', 'MariaDB']
/** Those that run two transactions at once. */
const CONCURRENT: readonly DatabaseName[] = ['PostgreSQL', 'MariaDB']

const opened = (name: DatabaseName): Promise<Store> | undefined => stores?.STORES[name](URLS[name] ?? '')
const runs = (name: DatabaseName): boolean => installed && URLS[name] !== undefined
const message = (id: string) => ({ topic: 'orders', id })

async function freshInbox({ database }: Store, waitMs = 5_000) {
  const table = stores?.freshTable('inbox') ?? ''
  const inbox = sqlInbox({ table, waitMs })
  await migrate(database, [inbox.feature])
  const first = (id: string) => database.transaction((tx) => inbox.firstTime(tx, 'billing', message(id)))
  return { table, inbox, first }
}

describe.each(NAMES)('the inbox on %s', (name) => {
  describe.skipIf(!runs(name))('', () => {
    let store: Store
    beforeAll(async () => {
      store = (await opened(name)) as Store
    })
    afterAll(() => store?.close())

    test('marks once, also a second time that it is migrated, and forgets what rolled back', async () => {
      const { inbox, first } = await freshInbox(store)
      const failing = store.database.transaction(async (tx) => {
        expect(await inbox.firstTime(tx, 'billing', message('a'))).toBe(true)
        throw new Error('no')
      })
      await expect(failing).rejects.toThrow('no')
      expect(await first('a')).toBe(true)
      await migrate(store.database, [inbox.feature])
      expect(await first('a')).toBe(false)
      expect(await store.database.transaction((tx) => inbox.firstTime(tx, 'mails', message('a')))).toBe(true)
    })

    test('tells ids apart that a collation takes for one', async () => {
      const { first } = await freshInbox(store)
      const all = ['a', 'A', 'a ', 'a\t', 'ä', 'a\u0308', 'a\0', 'x'.repeat(1_000), `${'x'.repeat(1_000)}y`, '😀', 'ß', 'ss']
      for (const id of all) expect([id, await first(id)]).toEqual([id, true])
      for (const id of all) expect([id, await first(id)]).toEqual([id, false])
    })

    test('is cleaned up by one process at a time, a batch after the other, and keeps what is young', async () => {
      const { table, first } = await freshInbox(store)
      const { database } = store
      for (const id of ['a', 'b', 'young']) await first(id)
      await database.transaction((tx) => tx.query(`UPDATE ${table} SET at = at - 60000 WHERE id <> ?`, ['young']))
      const taking = Array.from({ length: 4 }, () => database.transaction((tx) => takeCleanUp(tx, table, 3_600_000)))
      expect((await Promise.all(taking)).filter(Boolean)).toHaveLength(1)
      const cleaned = () => database.transaction((tx) => deleteExpired(tx, table, { keepMs: 30_000, everyMs: 3_600_000 }))
      expect([await cleaned(), await cleaned()]).toEqual([2, 0])
      expect([await first('a'), await first('young')]).toEqual([true, false])
      await database.transaction((tx) => tx.query(`UPDATE ${table} SET at = 0 WHERE id = ?`, ['clean-up']))
      expect(await database.transaction((tx) => takeCleanUp(tx, table, 3_600_000))).toBe(true)
    })
  })
})

describe.each(CONCURRENT)('copies at once on %s', (name) => {
  describe.skipIf(!runs(name))('', () => {
    let store: Store
    beforeAll(async () => {
      store = (await opened(name)) as Store
    })
    afterAll(() => store?.close())

    /** A transaction that has marked the message and waits to be told how it ends. */
    async function holding(inbox: ReturnType<typeof sqlInbox>, id: string) {
      const marked = Promise.withResolvers<void>()
      const end = Promise.withResolvers<void>()
      const ended = store.database.transaction(async (tx) => {
        await inbox.firstTime(tx, 'billing', message(id))
        marked.resolve()
        await end.promise
      })
      ended.catch(() => undefined)
      await marked.promise
      return { commit: () => end.resolve(), fail: () => end.reject(new Error('no')), ended: ended.catch(() => undefined) }
    }

    test.each(['commit', 'fail'] as const)('the second waits for the first, whose end (%s) says whether it is new', async (how) => {
      const { inbox, first } = await freshInbox(store)
      const one = await holding(inbox, 'a')
      const order: string[] = []
      const second = first('a').then((isFirst) => {
        order.push('second')
        return isFirst
      })
      // Another message waits for nobody, and has overtaken the second copy.
      expect(await first('b')).toBe(true)
      order.push('b')
      one[how]()
      await one.ended
      expect(await second).toBe(how === 'fail')
      expect(order).toEqual(['b', 'second'])
    })

    test('of four copies whose first fails one is handled, with deadlocks tried again', async () => {
      const { inbox, first } = await freshInbox(store)
      const one = await holding(inbox, 'a')
      const again = async (): Promise<boolean> => {
        try {
          return await first('a')
        } catch (thrown) {
          if (!isRetryable(thrown)) throw thrown
          return again()
        }
      }
      const others = Array.from({ length: 4 }, again)
      one.fail()
      expect((await Promise.all(others)).filter(Boolean)).toHaveLength(1)
    })

    test('a wait that is too long is an error that is not tried again at once', async () => {
      const { inbox, first } = await freshInbox(store, 1_000)
      const one = await holding(inbox, 'a')
      const error = await first('a').catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'INBOX_WAIT', message: expect.stringContaining('message a of orders') })
      expect(isRetryable(error)).toBe(false)
      one.commit()
      await one.ended
      expect(await first('a')).toBe(false)
    })

    test("what the user's own statements wait for a lock stays as it was", async () => {
      const { inbox } = await freshInbox(store, 1_000)
      const asks = name === 'PostgreSQL' ? "SELECT current_setting('lock_timeout') AS wait" : 'SELECT @@innodb_lock_wait_timeout AS wait'
      const sets = name === 'PostgreSQL' ? "SET LOCAL lock_timeout = '7s'" : 'SET SESSION innodb_lock_wait_timeout = 7'
      await store.database.transaction(async (tx) => {
        await tx.query(sets)
        const wait = async () => (await tx.query(asks)).rows[0]?.wait
        const before = await wait()
        expect(String(before)).toMatch(/^7/)
        expect(await inbox.firstTime(tx, 'billing', message('a'))).toBe(true)
        expect(await wait()).toEqual(before)
        if (name === 'MariaDB') await tx.query('SET SESSION innodb_lock_wait_timeout = DEFAULT')
      })
    })

    test('a clean-up that has not committed keeps no handler waiting', async () => {
      const { table, inbox, first } = await freshInbox(store, 1_000)
      const { database } = store
      for (const id of ['a', 'b', 'c']) await first(id)
      await database.transaction((tx) => tx.query(`UPDATE ${table} SET at = at - 60000`))
      await first('young')
      await database.transaction(async (tx) => {
        expect(await deleteExpired(tx, table, { keepMs: 30_000, everyMs: 1_000 })).toBe(3)
        // With INBOX_WAIT after a second, if it had to wait for the end of this transaction.
        for (const id of ['aa', 'bb', 'young', 'z']) expect(await first(id)).toBe(id !== 'young')
      })
      expect(await first('a')).toBe(true)
      expect(inbox.feature.name).toBe(table)
    })
  })
})

describe.each([...CONCURRENT, 'SQLite'] as const)('handlers on %s', (name) => {
  describe.skipIf(!runs(name))('', () => {
    test('have each effect once, though each message comes three times, at once, and a third of them fails at first', async () => {
      const { database, close } = (await opened(name)) as Store
      const [table, effects] = [stores?.freshTable('inbox') ?? '', stores?.freshTable('effects') ?? '']
      const inbox = sqlInbox({ table })
      await migrate(database, [inbox])
      await database.transaction((tx) => tx.query(`CREATE TABLE ${effects} (id INTEGER NOT NULL)`))
      const messaging = createMessaging<{ db: SqlTx }>({
        broker: 'memory',
        url: `memory://${randomUUID()}`,
        service: 'billing',
        session: { write: database.transaction, read: database.read, database } as Sessions<SqlTx>,
        inbox,
        env: { LOG_LEVEL: 'silent' },
      })
      const failed = new Set<number>()
      let settled = 0
      const retry = { maxRetries: 20, retryDelayMs: 5, concurrency: 8 }
      messaging.handle({ topic: 'orders', ...retry }, async ({ id }: { id: number }, { db }) => {
        await db.query(`INSERT INTO ${effects} (id) VALUES (?)`, [id])
        if (id % 3 > 0 || failed.has(id)) return
        failed.add(id)
        throw new Error('the first time')
      })
      const settles = (record: unknown): void => {
        if ((record as SettleRecord).settlement === 'ack') settled++
      }
      subscribe(CHANNEL.settle, settles)
      try {
        await messaging.start()
        const ids = Array.from({ length: 60 }, (_, id) => id)
        const copies = [...ids, ...ids, ...ids].map((id) => ({ message: { id }, id: `message-${id}` }))
        await messaging.getProducer().sendAll('orders', copies)
        await vi.waitFor(() => expect(settled).toBe(copies.length), { timeout: 25_000 })
        const { rows } = await database.read((tx) => tx.query(`SELECT id FROM ${effects} ORDER BY id`))
        expect(rows.map(({ id }) => Number(id))).toEqual(ids)
      } finally {
        unsubscribe(CHANNEL.settle, settles)
        await messaging.close()
        await close()
      }
    })
  })
})

describe.skipIf(!installed).each(cases?.CASES ?? [])('the inbox in a transaction of $library on $database', (one: Case) => {
  test.skipIf(!runs(one.database))('marks once, and not what rolled back', async () => {
    const { outside } = await import('./databases.ts')
    const db: Outside = await outside(one.database, URLS[one.database] ?? '', one.sqlite)
    const dialect = ({ SQLite: 'sqlite', PGlite: 'postgres', PostgreSQL: 'postgres', MariaDB: 'mysql' } as const)[one.database]
    const unused = async (): Promise<never> => {
      throw new Error('nothing but its dialect is asked for')
    }
    const database = { dialect, where: one.database, transaction: unused, read: unused }
    const inbox = sqlInbox({ table: stores?.freshTable('inbox') ?? '', database })
    inbox.attach?.({ session: undefined, longestRetryMs: () => 0 } as never)
    for (const statement of inbox.feature.ddl(dialect)) await db.run(statement)
    const library: Library = await one.open(db.at)
    try {
      const marked: boolean[] = []
      const marks = (fails: boolean) =>
        library.transaction(async ({ tx }) => {
          marked.push(await inbox.firstTime(tx, 'billing', message('ä')))
          if (fails) throw new Error('no')
        })
      await expect(marks(true)).rejects.toThrow('no')
      await marks(false)
      await marks(false)
      expect(marked).toEqual([true, true, false])
    } finally {
      await library.close()
      await db.close()
    }
  })
})
