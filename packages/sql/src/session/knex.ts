import { checkOptions } from '@corebus/core/internal'
import type { SqlSessions } from '../database/database.ts'
import { knex } from '../tx/builders.ts'
import { property } from '../tx/recogniser.ts'
import { dialectOf, type Library, sessionsOf } from './library.ts'
import { type Isolation, type SessionOptions, SQL_SESSION } from './options.ts'
import { statementsOf } from './swallowed.ts'

/** What is used of a Knex. */
export interface KnexDb<Tx extends object> {
  transaction<T>(work: (tx: Tx) => Promise<T>, config?: { readonly isolationLevel?: Isolation }): Promise<T>
}

export interface KnexSessionOptions<Tx extends object> extends SessionOptions {
  /** Another Knex for reading sessions: of a replica, or of a second connection to a file of SQLite, so that nobody who reads waits for a transaction. */
  readonly read?: KnexDb<Tx>
}

/**
 * Sessions by a Knex on PostgreSQL, MySQL, MariaDB or SQLite: handlers receive its `Transaction`. A session that the database ends because of another
 * one (serialisation failure, deadlock) is run again at once, at most 3 times. On SQLite sessions take turns, by file.
 * @throws CorebusError OPTION, TX_DIALECT; a session also SESSION_BUSY, SESSION_NESTED, TX_FAILED when a statement has failed and its error was swallowed
 */
export function knexSession<Tx extends object>(db: KnexDb<Tx>, options: KnexSessionOptions<Tx> = {}): SqlSessions<Tx> {
  checkOptions('knexSession', options, SQL_SESSION)
  return sessionsOf('knexSession', libraryOf(db), options, options.read && libraryOf(options.read))
}

function libraryOf<Tx extends object>(db: KnexDb<Tx>): Library<Tx> {
  return {
    dialect: dialectOf('knexSession', knex(db)?.dialect),
    root: db,
    transaction: (work, isolation) => db.transaction(work, isolation && { isolationLevel: isolation }),
    // Each transaction has a client of its own.
    statements: (tx) => statementsOf(property(tx, 'client'), 'query'),
  }
}
