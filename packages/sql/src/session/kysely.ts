import { checkOptions } from '@corebus/core/internal'
import type { SqlSessions } from '../database/database.ts'
import { adapt } from '../tx/adapt.ts'
import { kysely } from '../tx/builders.ts'
import { dialectOf, type Library, sessionsOf } from './library.ts'
import { type Isolation, type SessionOptions, SQL_SESSION } from './options.ts'
import { kyselyStatements } from './swallowed.ts'

/** What is used of a Kysely. */
export interface KyselyDb<Tx extends object> {
  transaction(): {
    execute<T>(work: (tx: Tx) => Promise<T>): Promise<T>
    setIsolationLevel(level: Isolation): { execute<T>(work: (tx: Tx) => Promise<T>): Promise<T> }
  }
}

export interface KyselySessionOptions<Tx extends object> extends SessionOptions {
  /** Another Kysely for reading sessions: of a replica, or of a second connection to a file of SQLite, so that nobody who reads waits for a transaction. */
  readonly read?: KyselyDb<Tx>
}

/**
 * Sessions by a Kysely on PostgreSQL, MySQL, MariaDB or SQLite: handlers receive its `Transaction`. A session that the database ends because of another
 * one (serialisation failure, deadlock) is run again at once, at most 3 times. On SQLite sessions take turns, by file.
 * @throws CorebusError OPTION, TX_DIALECT; a session also SESSION_BUSY, SESSION_NESTED, TX_FAILED when a statement has failed and its error was swallowed
 */
export function kyselySession<Tx extends object>(db: KyselyDb<Tx>, options: KyselySessionOptions<Tx> = {}): SqlSessions<Tx> {
  checkOptions('kyselySession', options, SQL_SESSION)
  return sessionsOf('kyselySession', libraryOf(db), options, options.read && libraryOf(options.read))
}

function libraryOf<Tx extends object>(db: KyselyDb<Tx>): Library<Tx> {
  const dialect = dialectOf('kyselySession', kysely(db)?.dialect)
  return {
    dialect,
    root: db,
    statements: kyselyStatements,
    transaction(work, isolation) {
      if (!isolation) return db.transaction().execute(work)
      const transaction = db.transaction().setIsolationLevel(isolation)
      if (dialect !== 'postgres' || isolation === 'read committed') return transaction.execute(work)
      // Kysely's dialect for PGlite leaves the level out.
      return transaction.execute(async (tx) => {
        await adapt(tx, { begun: true }).query(`SET TRANSACTION ISOLATION LEVEL ${isolation}`)
        return work(tx)
      })
    },
  }
}
