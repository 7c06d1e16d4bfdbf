import { checkOptions } from '@corebus/core/internal'
import type { SqlConnection, SqlSessions, Transacts } from '../database/database.ts'
import { adapt } from '../tx/adapt.ts'
import { checkObject } from './database-object.ts'
import { type Library, sessionsOf } from './library.ts'
import { PGLITE_SESSION, type ServerSessionOptions } from './options.ts'

/** What is used of a PGlite. */
export interface PGliteDb<Tx extends object> {
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  listen(channel: string, onNotify: (payload: string) => void): Promise<() => Promise<void>>
}

/**
 * Sessions by a PGlite, PostgreSQL in the process: handlers receive its transaction. It has one connection, so sessions take turns.
 * @throws CorebusError OPTION; a session also SESSION_NESTED, TX_FAILED when a statement has failed and its error was swallowed
 */
export function pgliteSession<Tx extends object>(db: PGliteDb<Tx>, options: ServerSessionOptions = {}): SqlSessions<Tx> {
  checkOptions('pgliteSession', options, PGLITE_SESSION)
  checkObject('pgliteSession', db, { method: 'transaction', wanted: 'a PGlite' })
  const sessions = sessionsOf('pgliteSession', pgliteLibrary(db), options)
  const { database } = sessions
  return { ...sessions, database: { ...database, connect: async () => pgliteConnection(db, database) } }
}

export function pgliteLibrary<Tx extends object>(db: PGliteDb<Tx>): Library<Tx> {
  return {
    dialect: 'postgres',
    root: db,
    transaction: (work, isolation) =>
      db.transaction(async (tx) => {
        if (isolation) await adapt(tx, { begun: true }).query(`SET TRANSACTION ISOLATION LEVEL ${isolation}`)
        return work(tx)
      }),
    oneConnection: true,
  }
}

/** There is one connection, which is kept by nobody and never lost. */
export function pgliteConnection(db: Pick<PGliteDb<object>, 'listen'>, { transaction, read }: Transacts): SqlConnection {
  const listening: (() => Promise<void>)[] = []
  return {
    transaction,
    read,
    async listen(channel, onNotify) {
      listening.push(await db.listen(channel, onNotify))
    },
    onLost() {},
    async close() {
      await Promise.all(listening.splice(0).map((unlisten) => unlisten()))
    },
  }
}
