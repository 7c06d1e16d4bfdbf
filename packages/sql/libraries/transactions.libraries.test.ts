import { fork } from 'node:child_process'
import { once } from 'node:events'
import { adapt, int64, isRetryable, isUniqueViolation, type SqlTx } from '@corebus/sql'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import type { Case, DatabaseName, Library, Open } from './cases/case.ts'
import type { Outside } from './databases.ts'

const servers = inject('servers')
const cases = inject('librariesInstalled') ? await import('./cases/all.ts') : undefined

test.skipIf(cases === undefined)('the libraries are installed', () => {
  expect(cases?.CASES.length).toBeGreaterThan(20)
})

const URLS: Readonly<Record<DatabaseName, string | undefined>> = {
  SQLite: 'a file of its own',
  PGlite: 'in the process',
  PostgreSQL: servers.postgres,
  MariaDB: servers.mariadb,
}
const DIALECTS = { SQLite: 'sqlite', PGlite: 'postgres', PostgreSQL: 'postgres', MariaDB: 'mysql' } as const

const note = (tx: SqlTx, id: number) => tx.query('INSERT INTO notes (id) VALUES (?)', [id])

describe.each(cases?.CASES ?? [])('$library on $database', (one) => {
  describe.skipIf(!URLS[one.database])('', () => suite(one))
})

function suite({ database, open, sqlite }: Case): void {
  const url = URLS[database] ?? ''
  const dialect = DIALECTS[database]
  let db: Outside
  let library: Library
  const ours = (tx: unknown) => adapt(tx, library.options)
  const within = (work: (tx: SqlTx, open: Open) => Promise<unknown>) =>
    library.transaction(async (open) => {
      await work(ours(open.tx), open)
    })
  const written = async () => [await db.ids('orders'), await db.ids('notes')]

  beforeAll(async () => {
    const { outside } = await import('./databases.ts')
    db = await outside(database, url, sqlite)
    library = await open(db.at)
  })
  afterAll(async () => {
    await library?.close()
    await db?.close()
  })
  beforeEach(async () => {
    await db.run('DELETE FROM orders')
    await db.run('DELETE FROM notes')
  })

  test('a commit keeps the business row and ours', async () => {
    await within(async (tx, { insertOrder }) => {
      await insertOrder(1)
      expect(tx.dialect).toBe(dialect)
      expect(await note(tx, 2)).toEqual({ rows: [], affected: 1 })
    })
    expect(await written()).toEqual([[1], [2]])
  })

  test('a rollback keeps neither', async () => {
    const thrown = within(async (tx, { insertOrder }) => {
      await note(tx, 2)
      await insertOrder(1)
      throw new Error('no')
    })
    await expect(thrown).rejects.toThrow('no')
    expect(await written()).toEqual([[], []])
  })

  test('values go round trip, and rows are counted', async () => {
    const bytes = Uint8Array.of(0, 39, 92, 255)
    const text = 'it\'s ? and $1, ü, 😀, \\, "quoted"\n'
    await within(async (tx) => {
      const insert = 'INSERT INTO notes (id, big, small, body, bytes, empty) VALUES (?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?)'
      const most = BigInt(Number.MAX_SAFE_INTEGER)
      const first = [1, 1_790_000_000_000, -7, text, bytes, null]
      expect(await tx.query(insert, [...first, 2, most, 0, '', new Uint8Array(), null])).toEqual({ rows: [], affected: 2 })
      const { rows, affected } = await tx.query('SELECT id, big, small, body, bytes, empty FROM notes WHERE big <= ? ORDER BY id', [most])
      expect(affected).toBe(2)
      expect(rows.map(({ small, body, bytes, empty }) => ({ small, body, bytes, empty }))).toEqual([
        { small: -7, body: text, bytes, empty: null },
        { small: 0, body: '', bytes: new Uint8Array(), empty: null },
      ])
      expect(rows.map(({ id, big }) => [int64(id), int64(big)])).toEqual([
        [1n, 1_790_000_000_000n],
        [2n, most],
      ])
      expect(rows[0]?.bytes?.constructor).toBe(Uint8Array)
      expect(await tx.query('UPDATE notes SET small = 1')).toEqual({ rows: [], affected: 2 })
      expect((await tx.query('UPDATE notes SET small = 2 WHERE id < ?', [0n])).affected).toBe(0)
      expect((await tx.query('DELETE FROM notes WHERE id IN (?, ?, ?)', [1, 2, 3])).affected).toBe(2)
      expect(await tx.query('SELECT id FROM notes')).toEqual({ rows: [], affected: 0 })
    })
  })

  test('an integer beyond 2^53 is stored exactly, and is read exactly or not at all', async () => {
    const big = 2n ** 62n + 1n
    await within(async (tx) => {
      await tx.query('INSERT INTO notes (id, big) VALUES (?, ?)', [1, big])
      const text = database === 'MariaDB' ? 'CHAR' : 'TEXT'
      expect((await tx.query(`SELECT CAST(big AS ${text}) AS big FROM notes`)).rows).toEqual([{ big: String(big) }])
      const read = tx.query('SELECT big FROM notes').then(({ rows }) => int64(rows[0]?.big))
      expect([big, 'refused']).toContain(await read.catch(() => 'refused'))
    })
  })

  test('a row that is there already is told as that', async () => {
    const errors: unknown[] = []
    await within(async (tx) => {
      await note(tx, 1)
      await note(tx, 1).catch((error) => errors.push(error))
      throw new Error('rolled back')
    }).catch(() => undefined)
    expect(errors.map((error) => [isUniqueViolation(error), isRetryable(error)])).toEqual([[true, false]])
  })

  test('a transaction that is over is refused, and nothing is written', async () => {
    let kept: SqlTx | undefined
    let theirs: unknown
    await within(async (tx, open) => {
      kept = tx
      theirs = open.tx
      await note(tx, 1)
    })
    const code = expect.stringMatching(/^TX_(OVER|AUTOCOMMIT)$/)
    await expect(kept && note(kept, 2)).rejects.toMatchObject({ code })
    await expect((async () => note(ours(theirs), 3))()).rejects.toMatchObject({ code })
    expect(await written()).toEqual([[], [1]])
  })

  test('what is in no transaction is refused, and nothing is written', async () => {
    for (const [name, root] of Object.entries(library.roots))
      await expect((async () => note(adapt(root, { dialect }), 1))(), name).rejects.toMatchObject({
        code: 'TX_AUTOCOMMIT',
        message: expect.stringContaining('no transaction is open'),
      })
    expect(await written()).toEqual([[], []])
  })

  // MariaDB is told so when the transaction begins, which each library has another way for.
  if (database !== 'MariaDB')
    test('a transaction that can only read is told as that', async () => {
      const refused: unknown[] = []
      await within(async (tx) => {
        await tx.query(dialect === 'postgres' ? 'SET TRANSACTION READ ONLY' : 'PRAGMA query_only = ON')
        await note(tx, 1).catch((error) => refused.push(error))
        if (dialect === 'sqlite') await tx.query('PRAGMA query_only = OFF')
        throw new Error('rolled back')
      }).catch(() => undefined)
      expect(refused).toMatchObject([{ code: 'TX_READ_ONLY' }])
    })

  if (dialect === 'postgres')
    test('a transaction of which a statement has failed is told as that', async () => {
      const refused: unknown[] = []
      await within(async (tx) => {
        await tx.query('SELECT nonsense').catch(() => undefined)
        await note(tx, 1).catch((error) => refused.push(error))
        throw new Error('rolled back')
      }).catch(() => undefined)
      expect(refused).toMatchObject([{ code: 'TX_FAILED' }])
    })

  test('a transaction of another database than the one that is meant is refused', async () => {
    if (library.options?.dialect) return // Prisma does not say which database it is of, and is believed
    const other = dialect === 'mysql' ? 'postgres' : 'mysql'
    await within(async (_, open) => {
      expect(() => adapt(open.tx, { dialect: other })).toThrow(expect.objectContaining({ code: 'TX_DIALECT' }))
    })
  })

  if (database === 'PostgreSQL' || database === 'MariaDB')
    test('of two that wait for each other one is told to try again', async () => {
      await within(async (tx) => {
        await note(tx, 1)
        await note(tx, 2)
      })
      const touch = (tx: SqlTx, id: number) => tx.query('UPDATE notes SET small = 1 WHERE id = ?', [id])
      const [one, two] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const results = await Promise.allSettled([
        within(async (tx) => {
          await touch(tx, 1)
          one.resolve()
          await two.promise
          await touch(tx, 2)
        }),
        within(async (tx) => {
          await touch(tx, 2)
          two.resolve()
          await one.promise
          await touch(tx, 1)
        }),
      ])
      const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
      expect(errors.map((error) => [isRetryable(error), isUniqueViolation(error)])).toEqual([[true, false]])
    })

  if (database === 'SQLite')
    test('a file that another connection has locked is told to try again', async () => {
      const errors: unknown[] = []
      const other = fork(new URL('cases/lock.ts', import.meta.url), [db.at])
      await once(other, 'message')
      await within(async (tx) => {
        await tx.query('PRAGMA busy_timeout = 0')
        await note(tx, 1).catch((error) => errors.push(error))
        throw new Error('rolled back')
      }).catch(() => undefined)
      other.kill()
      await once(other, 'exit')
      expect(errors.map(isRetryable)).toEqual([true])
    })
}
