import { checkOptions } from '@corebus/core/internal'
import type { SqlSessions } from '../database/database.ts'
import { inPgTransaction, ofPgPool, type PgClient, type PgPool } from '../database/pg.ts'
import { checkObject } from './database-object.ts'
import { type Library, sessionsOf } from './library.ts'
import { SERVER_SESSION, type ServerSessionOptions } from './options.ts'

/** What is used of a Pool of pg, whose `connect` has a form with a callback as well. */
export interface PgSessionPool<Client extends PgClient> {
  connect(): Promise<Client>
  connect(callback: (...args: never) => void): unknown
}

export interface PgSessionOptions<Client extends PgClient> extends ServerSessionOptions {
  /** Another pool for reading sessions, such as one of a replica. */
  readonly read?: PgSessionPool<Client>
}

/**
 * Sessions by a Pool of pg: handlers receive a client in a transaction. It refuses to be used when its session is over (TX_OVER). A session that the
 * database ends because of another one (serialisation failure, deadlock) is run again at once, at most 3 times.
 * @throws CorebusError OPTION, TX_DIALECT; a session also TX_FAILED when a statement has failed and its error was swallowed
 */
export function pgSession<Client extends PgClient>(
  pool: PgSessionPool<Client>,
  options: PgSessionOptions<Client> = {},
): SqlSessions<Client> {
  checkOptions('pgSession', options, SERVER_SESSION)
  for (const one of options.read ? [pool, options.read] : [pool]) checkObject('pgSession', one, POOL)
  const sessions = sessionsOf('pgSession', libraryOf<Client>(pool), options, options.read && libraryOf<Client>(options.read))
  return { ...sessions, database: ofPgPool(pool, sessions.database.where) }
}

const POOL = {
  method: 'connect',
  wanted: 'a Pool of pg, as new pg.Pool({ connectionString }) makes it',
  another: (given: object) => ('connectionParameters' in given ? 'a Client, which is one connection' : undefined),
}

function libraryOf<Client extends PgClient>(pool: PgPool<Client>): Library<Client> {
  return {
    dialect: 'postgres',
    root: pool,
    transaction: (work, isolation) => inPgTransaction(pool, isolation ? `BEGIN ISOLATION LEVEL ${isolation}` : 'BEGIN', work),
    read: (work) => inPgTransaction(pool, 'BEGIN READ ONLY', work),
    goesOn: true,
    tellsFailure: true,
  }
}
