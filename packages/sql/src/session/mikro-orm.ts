import { checkOptions } from '@corebus/core/internal'
import type { SqlSessions } from '../database/database.ts'
import { calls } from '../tx/recogniser.ts'
import type { Dialect } from '../tx/sql-tx.ts'
import { dialectOf, type Library, sessionsOf } from './library.ts'
import { type Isolation, type SessionOptions, SQL_SESSION } from './options.ts'
import { kyselyStatements } from './swallowed.ts'

/** What is used of a MikroORM. */
export interface MikroOrmDb<Em extends object> {
  readonly em: { fork(): Em; getDriver(): object }
}

/** What is used of its EntityManager, whose types name the driver. */
interface Transactional<Em> {
  transactional<T>(work: (em: Em) => Promise<T>, options?: { readonly isolationLevel?: Isolation }): Promise<T>
}

interface InTransaction {
  getTransactionContext(): unknown
}

export interface MikroOrmSessionOptions<Em extends object> extends SessionOptions {
  /** Another MikroORM for reading sessions: of a replica, or of a second connection to a file of SQLite, so that nobody who reads waits for a transaction. */
  readonly read?: MikroOrmDb<Em>
}

/**
 * Sessions by a MikroORM on PostgreSQL, MySQL, MariaDB or SQLite: handlers receive an EntityManager of their own in a transaction, which is flushed before
 * the commit. It refuses to be used when its session is over (TX_OVER). A session that the database ends because of another one (serialisation failure,
 * deadlock) is run again at once, at most 3 times. On SQLite sessions take turns, by file.
 * @throws CorebusError OPTION, TX_DIALECT; a session also SESSION_BUSY, SESSION_NESTED, TX_FAILED when a statement has failed and its error was swallowed
 */
export function mikroOrmSession<Em extends object>(orm: MikroOrmDb<Em>, options: MikroOrmSessionOptions<Em> = {}): SqlSessions<Em> {
  checkOptions('mikroOrmSession', options, SQL_SESSION)
  return sessionsOf('mikroOrmSession', libraryOf(orm), options, options.read && libraryOf(options.read))
}

function libraryOf<Em extends object>(orm: MikroOrmDb<Em>): Library<Em> {
  return {
    dialect: dialectOf('mikroOrmSession', driverDialect(orm.em.getDriver())),
    root: orm,
    transaction(work, isolation) {
      const em = orm.em.fork() as unknown as Transactional<Em>
      return em.transactional(work, isolation && { isolationLevel: isolation })
    },
    goesOn: true,
    // It runs on Kysely.
    statements: (em) =>
      calls(em, 'getTransactionContext') ? kyselyStatements((em as unknown as InTransaction).getTransactionContext()) : undefined,
  }
}

const DRIVERS: readonly (readonly [name: RegExp, dialect: Dialect])[] = [
  [/postgre/i, 'postgres'],
  [/mysql|mariadb/i, 'mysql'],
  [/sqlite|libsql/i, 'sqlite'],
]

/** By the name of the driver's class, or of one that it extends: drivers say it nowhere else. */
function driverDialect(driver: object): Dialect | undefined {
  for (let at: object | null = driver; at !== null; at = Object.getPrototypeOf(at)) {
    const name = at.constructor?.name ?? ''
    const found = DRIVERS.find(([pattern]) => pattern.test(name))
    if (found) return found[1]
  }
  return undefined
}
