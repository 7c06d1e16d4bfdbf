import { CorebusError, type Session, type Sessions } from '@corebus/core'
import type { SqlSessions } from '../database/database.ts'
import { ofSqliteSessions, type SqliteConnection } from '../database/sqlite.ts'
import { adapt } from '../tx/adapt.ts'
import { withBegun } from '../tx/begun.ts'
import { isReadOnly } from '../tx/database-errors.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import { keeping } from '../tx/sqlite.ts'
import { guarded } from './guarded.ts'
import { onlyReads, retried } from './library.ts'
import { whenUnlocked } from './locked.ts'
import { type SessionKey, serialised } from './serialised.ts'

/** What the two libraries have under different names. */
export interface SqliteLibrary<Db extends SqliteConnection> {
  isTransaction(db: Db): boolean
  /** Undefined in memory, and where the library does not say. */
  fileOf(db: Db): string | undefined
  /** A connection that can only read, by the class of the user's own: whoever has no use for SQLite does not load it. */
  reader(db: Db, file: string, timeoutMs: number): Db
}

/** With a write-ahead log readers wait for next to nothing. */
const READ_TIMEOUT_MS = 100

/** Sessions on one connection. `name` is what the user called. */
export function sqliteSessions<Db extends SqliteConnection>(
  name: string,
  library: SqliteLibrary<Db>,
  db: Db,
  { file = library.fileOf(db), busyTimeoutMs = 5_000 }: { readonly file?: string | undefined; readonly busyTimeoutMs?: number | undefined },
): SqlSessions<Db> {
  const key = file ?? db
  const where = file ?? 'a database in memory'
  let sql: SqlTx | undefined
  const write = serialised<Db>(key, (work) =>
    inSqliteTransaction(library, db, { where, busyTimeoutMs }, () => {
      sql ??= adapt(db, { dialect: 'sqlite', begun: true })
      return handedOut(name, db, work, sql)
    }),
  )
  const sessions: Sessions<Db> = { write, read: reading(name, library, db, key) }
  return { ...sessions, write: retried(write), database: ofSqliteSessions(where, sessions) }
}

async function handedOut<Db extends object, T>(name: string, db: Db, work: (db: Db) => Promise<T>, sql?: SqlTx): Promise<T> {
  const guard = guarded(db, name)
  try {
    return await (sql ? withBegun(guard.tx, sql, work) : work(guard.tx))
  } finally {
    guard.end()
  }
}

/**
 * With a write-ahead log a connection of its own, so that nobody who reads waits for a transaction, or sees what it has not committed. Without one,
 * or in memory, who reads and who writes take turns: a writer may lock readers out, and would have to wait for the event loop that they block.
 */
function reading<Db extends SqliteConnection>(name: string, library: SqliteLibrary<Db>, db: Db, key: SessionKey): Session<Db> {
  const inTurn = serialised<Db>(key, async (work) => {
    db.exec('PRAGMA query_only = ON')
    try {
      return await handedOut(name, db, work)
    } finally {
      db.exec('PRAGMA query_only = OFF')
    }
  })
  let connection: Db | undefined
  const read: Session<Db> = (work) => {
    if (typeof key !== 'string' || pragma(db, 'journal_mode') !== 'wal') return inTurn(work)
    connection ??= library.reader(db, key, READ_TIMEOUT_MS)
    return work(connection)
  }
  return async (work) => {
    try {
      return await read(work)
    } catch (thrown) {
      throw isReadOnly(thrown) ? onlyReads(thrown) : thrown
    }
  }
}

const pragmas = new WeakMap<SqliteConnection, (sql: string) => ReturnType<SqliteConnection['prepare']>>()

function pragma(db: SqliteConnection, name: string): unknown {
  const prepared = pragmas.get(db) ?? keeping((sql: string) => db.prepare(sql))
  pragmas.set(db, prepared)
  const [value] = Object.values((prepared(`PRAGMA ${name}`).get() ?? {}) as Record<string, unknown>)
  return value
}

/** BEGIN IMMEDIATE, the work, COMMIT, or ROLLBACK when it throws. While another process has the file locked, the event loop runs on. */
export async function inSqliteTransaction<Db extends SqliteConnection, T>(
  library: Pick<SqliteLibrary<Db>, 'isTransaction'>,
  db: Db,
  { where, busyTimeoutMs }: { readonly where: string; readonly busyTimeoutMs: number },
  work: () => Promise<T>,
): Promise<T> {
  if (library.isTransaction(db))
    throw new CorebusError(
      'SESSION_OPEN',
      `the connection to ${where} is in a transaction that no session began: give sessions a connection of their own`,
    )
  const ownTimeoutMs = Number(pragma(db, 'busy_timeout') ?? 0)
  const unlocked = (statement: string): Promise<void> =>
    whenUnlocked(() => withoutWaiting(db, statement, ownTimeoutMs), `${statement}: ${where}`, busyTimeoutMs)
  await unlocked('BEGIN IMMEDIATE')
  try {
    const result = await work()
    // With a rollback journal it waits for readers; then the transaction stays open and the same statement may be tried again.
    await unlocked('COMMIT')
    return result
  } catch (thrown) {
    rollBack(library, db)
    throw thrown
  }
}

function withoutWaiting(db: SqliteConnection, statement: string, ownTimeoutMs: number): void {
  if (ownTimeoutMs === 0) {
    db.exec(statement)
    return
  }
  db.exec('PRAGMA busy_timeout = 0')
  try {
    db.exec(statement)
  } finally {
    db.exec(`PRAGMA busy_timeout = ${ownTimeoutMs}`)
  }
}

/** A full disk or an I/O error has ended the transaction already: then there is nothing to roll back, and the first error is the one to tell. */
function rollBack<Db extends SqliteConnection>({ isTransaction }: Pick<SqliteLibrary<Db>, 'isTransaction'>, db: Db): void {
  try {
    db.exec('ROLLBACK')
  } catch (thrown) {
    if (isTransaction(db)) throw thrown
  }
}
