import { checkOptions } from '@corebus/core/internal'
import type { SqlSessions } from '../database/database.ts'
import type { SqliteConnection } from '../database/sqlite.ts'
import { checkObject } from './database-object.ts'
import { SQLITE_SESSION, type SqliteSessionOptions } from './sqlite.ts'
import { type SqliteLibrary, sqliteSessions } from './sqlite-connection.ts'

/** What is used of a Database of better-sqlite3, or of a package with its API. */
export interface BetterSqlite extends SqliteConnection {
  readonly inTransaction: boolean
  readonly memory: boolean
  readonly name: string
}

/**
 * Sessions on one connection of better-sqlite3, as `sqliteSession` has them on one of node:sqlite: handlers receive the connection between BEGIN IMMEDIATE
 * and COMMIT, and it refuses to be used when the session is over (TX_OVER). One at a time per file, also where several connections share it. What only
 * reads gets, with `PRAGMA journal_mode = WAL`, a second connection.
 * @throws CorebusError OPTION; a session also SESSION_BUSY, SESSION_NESTED, SESSION_OPEN when the connection is in a transaction of its own
 */
export function betterSqliteSession<Db extends BetterSqlite>(db: Db, options: SqliteSessionOptions = {}): SqlSessions<Db> {
  checkOptions('betterSqliteSession', options, SQLITE_SESSION)
  checkObject('betterSqliteSession', db, { method: 'pragma', wanted: 'a Database of better-sqlite3' })
  return sqliteSessions<Db>('betterSqliteSession', BETTER_SQLITE as SqliteLibrary<Db>, db, options) // it gives connections of the class of the user's
}

export const BETTER_SQLITE: SqliteLibrary<BetterSqlite> = {
  isTransaction: (db) => db.inTransaction,
  fileOf: (db) => (db.memory ? undefined : db.name),
  reader(db, file, timeout) {
    const Connection = db.constructor as new (file: string, options: object) => BetterSqlite
    return new Connection(file, { readonly: true, timeout })
  },
}
