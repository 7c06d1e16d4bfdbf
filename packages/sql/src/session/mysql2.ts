import { checkOptions } from '@corebus/core/internal'
import type { SqlSessions } from '../database/database.ts'
import { inMysqlTransaction, type MysqlConnection, type MysqlPool, ofMysqlPool } from '../database/mysql2.ts'
import { checkObject } from './database-object.ts'
import { type Library, sessionsOf } from './library.ts'
import { SERVER_SESSION, type ServerSessionOptions } from './options.ts'
import { statementsOf } from './swallowed.ts'

export interface MysqlSessionOptions<Connection extends MysqlConnection> extends ServerSessionOptions {
  /** Another pool for reading sessions, such as one of a replica. */
  readonly read?: MysqlPool<Connection>
}

/**
 * Sessions by a pool of mysql2/promise on MySQL or MariaDB: handlers receive a connection in a transaction. It refuses to be used when its session is
 * over (TX_OVER). A session that the database ends because of another one (deadlock) is run again at once, at most 3 times.
 * @throws CorebusError OPTION, TX_DIALECT
 */
export function mysqlSession<Connection extends MysqlConnection>(
  pool: MysqlPool<Connection>,
  options: MysqlSessionOptions<Connection> = {},
): SqlSessions<Connection> {
  checkOptions('mysqlSession', options, SERVER_SESSION)
  for (const one of options.read ? [pool, options.read] : [pool]) checkObject('mysqlSession', one, POOL)
  const sessions = sessionsOf('mysqlSession', libraryOf(pool), options, options.read && libraryOf(options.read))
  return { ...sessions, database: ofMysqlPool(pool, sessions.database.where) }
}

const POOL = {
  method: 'getConnection',
  wanted: 'a pool of mysql2/promise, as createPool(url) of it makes it',
  another: (given: object) => ('promise' in given ? 'one of mysql2, which has callbacks' : undefined),
}

function libraryOf<Connection extends MysqlConnection>(pool: MysqlPool<Connection>): Library<Connection> {
  return {
    dialect: 'mysql',
    root: pool,
    transaction(work, isolation) {
      const level = isolation ? [`SET TRANSACTION ISOLATION LEVEL ${isolation}`] : []
      return inMysqlTransaction(pool, [...level, 'START TRANSACTION'], work)
    },
    read: (work) => inMysqlTransaction(pool, ['START TRANSACTION READ ONLY'], work),
    goesOn: true,
    statements: (connection) => statementsOf(connection, 'query', 'execute'),
  }
}
