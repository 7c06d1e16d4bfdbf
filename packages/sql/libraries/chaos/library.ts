import { DatabaseSync } from 'node:sqlite'
import { mysqlSession, pgSession, type SqlSessions, sqliteSession } from '@corebus/sql'
import mysql from 'mysql2/promise'
import pg from 'pg'
import type { DatabaseName } from './tables.ts'

/** A database as its user opens it. */
export interface Library {
  readonly sessions: SqlSessions<object>
  /** A transaction that its user begins and ends by hand. */
  readonly transaction: <T>(work: (tx: object) => Promise<T>) => Promise<T>
  readonly close: () => Promise<void>
}

const CONNECTIONS = 12
const ignored = () => {}
/** A connection that is not made by then is tried again. */
const CONNECTS_WITHIN_MS = 5_000

export const LIBRARIES: Readonly<Record<DatabaseName, (url: string) => Library>> = {
  sqlite(file) {
    const db = new DatabaseSync(file)
    const sessions = sqliteSession(db, { busyTimeoutMs: 20_000 })
    return { sessions: sessions as SqlSessions<object>, transaction: (work) => sessions.write(work), close: async () => db.close() }
  },
  postgres(connectionString) {
    const pool = new pg.Pool({ connectionString, max: CONNECTIONS, connectionTimeoutMillis: CONNECTS_WITHIN_MS })
    pool.on('error', () => {}) // an idle connection was lost: the next one is new
    return {
      sessions: pgSession(pool) as SqlSessions<object>,
      async transaction(work) {
        const client = await new Promise<pg.PoolClient>((resolve, reject) =>
          pool.connect((error, taken) => {
            if (!taken) return reject(error)
            taken.on('error', ignored) // its statements fail
            resolve(taken)
          }),
        )
        return byHand(
          (statement) => client.query(statement),
          () => work(client),
          (lost) => {
            client.removeListener('error', ignored)
            client.release(lost)
          },
        )
      },
      close: () => pool.end(),
    }
  },
  mariadb(uri) {
    const pool = mysql.createPool({ uri, connectionLimit: CONNECTIONS, connectTimeout: CONNECTS_WITHIN_MS })
    return {
      sessions: mysqlSession(pool) as SqlSessions<object>,
      async transaction(work) {
        const connection = await pool.getConnection()
        return byHand(
          (statement) => connection.query(statement),
          () => work(connection),
          (lost) => (lost ? connection.destroy() : connection.release()),
        )
      },
      close: () => pool.end(),
    }
  },
}

async function byHand<T>(run: (statement: string) => Promise<unknown>, work: () => Promise<T>, done: (lost: boolean) => void): Promise<T> {
  let lost = false
  try {
    await run('BEGIN')
    const result = await work()
    await run('COMMIT')
    return result
  } catch (thrown) {
    await run('ROLLBACK').catch(() => {
      lost = true
    })
    throw thrown
  } finally {
    done(lost)
  }
}
