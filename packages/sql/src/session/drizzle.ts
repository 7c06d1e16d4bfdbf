import { checkOptions } from '@corebus/core/internal'
import type { SqlDatabase, SqlSessions } from '../database/database.ts'
import { type MysqlPool, ofMysqlPool } from '../database/mysql2.ts'
import { ofPgPool, type PgClient, type PgPool } from '../database/pg.ts'
import { drizzleDialectOf } from '../tx/builders.ts'
import { calls, property } from '../tx/recogniser.ts'
import { BETTER_SQLITE, type BetterSqlite } from './better-sqlite3.ts'
import { dialectOf, type Library, sessionsOf } from './library.ts'
import { type Isolation, type SessionOptions, SQL_SESSION } from './options.ts'
import { type PGliteDb, pgliteConnection } from './pglite.ts'
import { type PostgresJs, postgresConnection, unlessLost } from './postgres-js.ts'
import { inSqliteTransaction } from './sqlite-connection.ts'
import { statementsOf } from './swallowed.ts'

/** What is used of a database of Drizzle. */
export interface DrizzleDb {
  readonly $client: unknown
  transaction(work: never, config?: never): unknown
}

/**
 * What handlers receive: the transaction of Drizzle. Those on better-sqlite3 may wait for nothing, so there it is the database itself, between a BEGIN
 * and a COMMIT of the session.
 */
export type DrizzleTx<Db extends DrizzleDb> = Db['$client'] extends BetterSqlite
  ? Db
  : Db['transaction'] extends (work: (tx: infer Tx) => Promise<never>, ...config: never) => unknown
    ? Tx & object
    : object

export interface DrizzleSessionOptions<Db extends DrizzleDb> extends SessionOptions {
  /** Another database of Drizzle for reading sessions: of a replica, or of a second connection to a file of SQLite, so that nobody who reads waits for a transaction. */
  readonly read?: Db
}

/**
 * Sessions by a database of Drizzle over pg, postgres.js, PGlite, mysql2 or better-sqlite3: handlers receive its transaction, which refuses to be used
 * when its session is over (TX_OVER). A session that the database ends because of another one (serialisation failure, deadlock) is run again at once,
 * at most 3 times. On SQLite sessions take turns, by file.
 * @throws CorebusError OPTION, TX_DIALECT; a session also SESSION_BUSY, SESSION_NESTED, TX_FAILED when a statement has failed and its error was swallowed
 */
export function drizzleSession<Db extends DrizzleDb>(db: Db, options: DrizzleSessionOptions<Db> = {}): SqlSessions<DrizzleTx<Db>> {
  checkOptions('drizzleSession', options, SQL_SESSION)
  const { busyTimeoutMs = 5_000 } = options
  const reader = options.read && libraryOf(options.read, busyTimeoutMs)
  const sessions = sessionsOf('drizzleSession', libraryOf(db, busyTimeoutMs), options, reader)
  return { ...sessions, database: withClient(sessions.database, db) }
}

/** `transaction` as each of Drizzle's databases has it; their types differ by database. */
interface Transacting {
  transaction<T>(work: (tx: object) => Promise<T>, config?: { readonly isolationLevel: Isolation }): Promise<T>
}

const isBetterSqlite = (client: object): client is BetterSqlite => calls(client, 'prepare', 'pragma')
const isPGlite = (client: object): client is PGliteDb<object> => calls(client, 'query', 'exec', 'listen', 'transaction')
const isPostgresJs = (client: object): client is PostgresJs<object> => calls(client, 'unsafe', 'begin', 'listen')
const isPgPool = (client: object): client is PgPool => calls(client, 'query', 'connect') && 'idleCount' in client
const isMysqlPool = (client: object): client is MysqlPool & { promise?(): MysqlPool } => calls(client, 'getConnection', 'execute')

function libraryOf<Db extends DrizzleDb>(db: Db, busyTimeoutMs: number): Library<DrizzleTx<Db>> {
  const client = clientOf(db)
  if (isPgPool(client)) surviveLosses(client)
  const dialect = dialectOf('drizzleSession', drizzleDialectOf(db))
  // Drizzle types what it gives by database and schema, and this is typed by what was inferred of it.
  const library: Library<never> = isBetterSqlite(client)
    ? {
        dialect,
        root: db,
        transaction: (work) =>
          inSqliteTransaction(BETTER_SQLITE, client, { where: 'SQLite of drizzleSession', busyTimeoutMs }, () => work(db as never)),
        goesOn: true,
        locks: true,
      }
    : {
        dialect,
        root: isPGlite(client) ? client : db,
        transaction(work, isolation) {
          const begin = <T>(inside: (tx: never) => Promise<T>): Promise<T> =>
            (db as unknown as Transacting).transaction((tx) => inside(tx as never), isolation && { isolationLevel: isolation })
          return isPostgresJs(client) ? unlessLost(begin, work) : begin(work)
        },
        goesOn: true,
        // The connection out of the pool.
        statements: (tx) => statementsOf(inside(inside(tx, 'session'), 'client'), 'query', 'execute'),
        ...(isPGlite(client) && { oneConnection: true }),
        ...(isPostgresJs(client) && { tellsFailure: true }),
      }
  return library as unknown as Library<DrizzleTx<Db>>
}

/** A client of pg that is out of its pool and loses its connection would end the process. What was running on it rejects. */
function surviveLosses(pool: PgPool & { on?(event: 'acquire', listener: (client: PgClient) => void): unknown }): void {
  const known = new WeakSet<PgClient>()
  pool.on?.('acquire', (client) => {
    if (!known.has(client)) client.on('error', () => {})
    known.add(client)
  })
}

/** Our own transactions use the client below Drizzle where that has more: a connection that is kept and listens. */
function withClient(database: SqlDatabase, db: DrizzleDb): SqlDatabase {
  const client = clientOf(db)
  if (isPgPool(client)) return ofPgPool(client, database.where)
  if (isMysqlPool(client)) return ofMysqlPool(client.promise?.() ?? client, database.where)
  if (isPostgresJs(client)) return { ...database, connect: async () => postgresConnection(client, database) }
  if (isPGlite(client)) return { ...database, connect: async () => pgliteConnection(client, database) }
  return database
}

function clientOf({ $client: client }: DrizzleDb): object {
  return (typeof client === 'object' && client !== null) || typeof client === 'function' ? client : {}
}

const inside = (given: unknown, name: string): unknown => (typeof given === 'object' && given !== null ? property(given, name) : undefined)
