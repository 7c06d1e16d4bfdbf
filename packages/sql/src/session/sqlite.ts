import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { CorebusError, type Session } from '@corebus/core'
import { checkOptions, milliseconds, type Option, text } from '@corebus/core/internal'
import type { SqlSessions } from '../database/database.ts'
import { ofSqliteSessions } from '../database/sqlite.ts'
import { type SessionKey, serialised } from './serialised.ts'

export interface SqliteSessionOptions {
  /** The file of the database. Default: what the connection says, if this Node can ask it (22.16, 24). */
  readonly file?: string
  /** How long another process may keep the file locked. Default 5,000. */
  readonly busyTimeoutMs?: number
}

export const SQLITE_SESSION: Readonly<Record<keyof SqliteSessionOptions, Option>> = {
  file: { default: 'what the connection says (Node 22.16, 24)', must: text, text: 'the file of the database: what takes turns' },
  busyTimeoutMs: {
    default: '5,000',
    must: milliseconds(0),
    text: 'how long another process may keep the file locked, then `SESSION_BUSY`. The event loop runs on meanwhile',
  },
}

/**
 * Sessions on one connection of node:sqlite, for `configureMessaging({ session })`: BEGIN IMMEDIATE, the work, COMMIT, or ROLLBACK when it
 * throws. One at a time per file, also where several connections share it. While another process has the file locked, the event loop runs on.
 * What only reads gets, with `PRAGMA journal_mode = WAL`, a second connection, which can do nothing else and waits for nobody; otherwise it takes its turn.
 * @throws CorebusError SESSION_BUSY when it stays locked, SESSION_NESTED, SESSION_OPEN when the connection is in a transaction of its own
 */
export function sqliteSession(database: DatabaseSync, options: SqliteSessionOptions = {}): SqlSessions<DatabaseSync> {
  checkOptions('sqliteSession', options, SQLITE_SESSION)
  const { file, busyTimeoutMs = 5_000 } = options
  const key = file ?? locationOf(database) ?? database
  const sessions = { write: writing(database, key, busyTimeoutMs), read: reading(database, key) }
  return { ...sessions, database: ofSqliteSessions(typeof key === 'string' ? key : 'a database in memory', sessions) }
}

/**
 * With a write-ahead log a connection of its own, so that nobody who reads waits for a transaction, or sees what it has not committed. Without one,
 * or in memory, who reads and who writes take turns: a writer may lock readers out, and would have to wait for the event loop that they block.
 */
function reading(database: DatabaseSync, key: SessionKey): Session<DatabaseSync> {
  const inTurn = serialised<DatabaseSync>(key, async (work) => {
    database.exec('PRAGMA query_only = ON')
    try {
      return await work(database)
    } finally {
      database.exec('PRAGMA query_only = OFF')
    }
  })
  let connection: DatabaseSync | undefined
  const read: Session<DatabaseSync> = (work) => {
    if (typeof key !== 'string' || database.prepare('PRAGMA journal_mode').get()?.journal_mode !== 'wal') return inTurn(work)
    // By its own class: whoever has no use for SQLite does not load it.
    const Connection = database.constructor as new (file: string, options: object) => DatabaseSync
    connection ??= new Connection(key, { readOnly: true, timeout: READ_TIMEOUT_MS })
    return work(connection)
  }
  return async (work) => {
    try {
      return await read(work)
    } catch (thrown) {
      throw isResultCode(thrown, SQLITE_READONLY) ? onlyReads(thrown) : thrown
    }
  }
}

function onlyReads(cause: unknown): CorebusError {
  return new CorebusError(
    'SESSION_READS',
    "this session only reads, as that of a GET or HEAD request and of session: 'read' does: say session: true where something is written",
    { cause },
  )
}

function writing(database: DatabaseSync, key: SessionKey, busyTimeoutMs: number): Session<DatabaseSync> {
  const where = typeof key === 'string' ? key : 'the database in memory'
  return serialised(key, async (work) => {
    if (database.isTransaction)
      throw new CorebusError(
        'SESSION_OPEN',
        `the connection to ${where} is in a transaction that no session began: give sessions a connection of their own`,
      )
    const ownTimeoutMs = Number(database.prepare('PRAGMA busy_timeout').get()?.timeout ?? 0)
    const unlocked = (statement: string): Promise<void> =>
      whenUnlocked(() => withoutWaiting(database, statement, ownTimeoutMs), `${statement}: ${where}`, busyTimeoutMs)
    await unlocked('BEGIN IMMEDIATE')
    try {
      const result = await work(database)
      // With a rollback journal it waits for readers; then the transaction stays open and the same statement may be tried again.
      await unlocked('COMMIT')
      return result
    } catch (thrown) {
      rollBack(database)
      throw thrown
    }
  })
}

function locationOf(database: DatabaseSync): string | undefined {
  if (typeof database.location !== 'function') return undefined // Node before 22.16
  return database.location() || undefined
}

const SQLITE_BUSY = 5
const SQLITE_READONLY = 8
/** With a write-ahead log readers wait for next to nothing. */
const READ_TIMEOUT_MS = 100
const FIRST_WAIT_MS = 2
const LONGEST_WAIT_MS = 50

/** SQLite's own waiting would block the event loop, and with it the very handler that has to commit. */
async function whenUnlocked(run: () => void, what: string, busyTimeoutMs: number): Promise<void> {
  const deadline = Date.now() + busyTimeoutMs
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      run()
      return
    } catch (thrown) {
      if (!isBusy(thrown)) throw thrown
      const leftMs = deadline - Date.now()
      if (leftMs <= 0)
        throw new CorebusError(
          'SESSION_BUSY',
          `${what} was locked by another process or connection for ${busyTimeoutMs} ms (busyTimeoutMs). Does somebody wait for a slow call inside of a session? session: 'manual' keeps it outside`,
          {
            cause: thrown,
          },
        )
      // Jitter, so that processes that wait for each other do not meet again and again.
      await sleep(Math.min(waitMs * (0.5 + Math.random()), leftMs))
    }
  }
}

function withoutWaiting(database: DatabaseSync, statement: string, ownTimeoutMs: number): void {
  if (ownTimeoutMs === 0) {
    database.exec(statement)
    return
  }
  database.exec('PRAGMA busy_timeout = 0')
  try {
    database.exec(statement)
  } finally {
    database.exec(`PRAGMA busy_timeout = ${ownTimeoutMs}`)
  }
}

function isBusy(thrown: unknown): boolean {
  return isResultCode(thrown, SQLITE_BUSY)
}

function isResultCode(thrown: unknown, code: number): boolean {
  if (!(thrown instanceof Error) || !('errcode' in thrown) || typeof thrown.errcode !== 'number') return false
  return (thrown.errcode & 0xff) === code
}

/** A full disk or an I/O error has ended the transaction already: then there is nothing to roll back, and the first error is the one to tell. */
function rollBack(database: DatabaseSync): void {
  try {
    database.exec('ROLLBACK')
  } catch (thrown) {
    if (database.isTransaction) throw thrown
  }
}
