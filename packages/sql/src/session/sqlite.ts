import type { DatabaseSync } from 'node:sqlite'
import { checkOptions, milliseconds, type Option, text } from '@corebus/core/internal'
import type { SqlSessions } from '../database/database.ts'
import { checkObject } from './database-object.ts'
import { type SqliteLibrary, sqliteSessions } from './sqlite-connection.ts'

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
 * @throws CorebusError OPTION, TX_DIALECT; a session SESSION_BUSY when it stays locked, SESSION_NESTED, SESSION_OPEN when the connection is in a transaction of its own
 */
export function sqliteSession(database: DatabaseSync, options: SqliteSessionOptions = {}): SqlSessions<DatabaseSync> {
  checkOptions('sqliteSession', options, SQLITE_SESSION)
  checkObject('sqliteSession', database, {
    method: 'prepare',
    wanted: 'a DatabaseSync of node:sqlite',
    another: (given) => ('pragma' in given ? 'one of better-sqlite3, which has betterSqliteSession' : undefined),
  })
  return sqliteSessions('sqliteSession', NODE_SQLITE, database, options)
}

const NODE_SQLITE: SqliteLibrary<DatabaseSync> = {
  isTransaction: (database) => database.isTransaction,
  // Node before 22.16 has no `location`.
  fileOf: (database) => (typeof database.location === 'function' && database.location()) || undefined,
  reader(database, file, timeout) {
    const Connection = database.constructor as new (file: string, options: object) => DatabaseSync
    return new Connection(file, { readOnly: true, timeout })
  },
}
