import { checkOptions } from '@corebus/core/internal'
import type { SqlSessions } from '../database/database.ts'
import { type PgClient, pgConnection } from '../database/pg.ts'
import { TYPEORM_DIALECTS } from '../tx/orms.ts'
import { property } from '../tx/recogniser.ts'
import { dialectOf, type Library, sessionsOf } from './library.ts'
import { type SessionOptions, SQL_SESSION } from './options.ts'
import { statementsOf } from './swallowed.ts'

/** What is used of a DataSource of TypeORM. */
export interface TypeormSource<Manager extends object> {
  readonly options: { readonly type: string }
  transaction<T>(work: (manager: Manager) => Promise<T>): Promise<T>
  transaction<T>(isolation: TypeormIsolation, work: (manager: Manager) => Promise<T>): Promise<T>
  createQueryRunner(): { connect(): Promise<unknown>; release(): Promise<void> }
}
type TypeormIsolation = 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE'

export interface TypeormSessionOptions<Manager extends object> extends SessionOptions {
  /** Another DataSource for reading sessions: of a replica, or of a second connection to a file of SQLite, so that nobody who reads waits for a transaction. */
  readonly read?: TypeormSource<Manager>
}

/**
 * Sessions by a DataSource of TypeORM on PostgreSQL, MySQL, MariaDB or better-sqlite3: handlers receive the EntityManager of a transaction. It refuses to
 * be used when its session is over (TX_OVER). A session that the database ends because of another one (serialisation failure, deadlock) is run again at
 * once, at most 3 times. On SQLite sessions take turns, by file: TypeORM has one connection there, and transactions at once lose rows of each other.
 * @throws CorebusError OPTION, TX_DIALECT; a session also SESSION_BUSY, SESSION_NESTED, TX_FAILED when a statement has failed and its error was swallowed
 */
export function typeormSession<Manager extends object>(
  source: TypeormSource<Manager>,
  options: TypeormSessionOptions<Manager> = {},
): SqlSessions<Manager> {
  checkOptions('typeormSession', options, SQL_SESSION)
  return sessionsOf('typeormSession', libraryOf(source), options, options.read && libraryOf(options.read))
}

function libraryOf<Manager extends object>(source: TypeormSource<Manager>): Library<Manager> {
  const dialect = dialectOf('typeormSession', TYPEORM_DIALECTS[source.options.type])
  return {
    dialect,
    root: source,
    transaction: (work, isolation) =>
      isolation ? source.transaction(isolation.toUpperCase() as TypeormIsolation, work) : source.transaction(work), // the same words
    goesOn: true,
    // Each transaction has a QueryRunner of its own.
    statements: (manager) => statementsOf(property(manager, 'queryRunner'), 'query'),
    ...(dialect === 'postgres' && {
      async connect() {
        const runner = source.createQueryRunner()
        const client = (await runner.connect()) as PgClient // it hands out the client of pg
        return pgConnection(client, () => runner.release())
      },
    }),
  }
}
