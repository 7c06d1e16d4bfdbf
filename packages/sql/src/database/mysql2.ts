import { adapt } from '../tx/adapt.ts'
import type { SqlConnection, SqlDatabase } from './database.ts'

/** What is used of a connection of mysql2/promise. */
export interface MysqlConnection {
  query(sql: string): Promise<unknown>
  release(): void
  destroy(): void
  on?(event: 'error' | 'end', listener: (error?: Error) => void): unknown
}

export interface MysqlPool<Connection extends MysqlConnection = MysqlConnection> {
  getConnection(): Promise<Connection>
  /** The pool with callbacks below it. */
  readonly pool?: { readonly config?: { readonly connectionLimit?: number } }
}

const LEVEL = 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED'
const WRITES = [LEVEL, 'START TRANSACTION READ WRITE']
const READS = [LEVEL, 'START TRANSACTION READ ONLY']

/** A pool of mysql2/promise. One of a single connection has none to give for good: whoever waited for it would wait for ever. */
export function ofMysqlPool(pool: MysqlPool, where: string): SqlDatabase {
  return {
    dialect: 'mysql',
    where,
    transaction: (work) => inMysqlTransaction(pool, WRITES, (connection) => work(adapt(connection, { begun: true }))),
    read: (work) => inMysqlTransaction(pool, READS, (connection) => work(adapt(connection, { begun: true }))),
    ...(pool.pool?.config?.connectionLimit !== 1 && { connect: async () => connectionOf(await pool.getConnection()) }),
  }
}

/** Runs `work` in a transaction of a connection out of the pool, which the statements of `begin` begin. */
export async function inMysqlTransaction<Connection extends MysqlConnection, T>(
  pool: MysqlPool<Connection>,
  begin: readonly string[],
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await pool.getConnection()
  let broken = false
  try {
    return await transaction(connection, begin, work, () => {
      broken = true
    })
  } finally {
    if (broken) connection.destroy()
    else connection.release()
  }
}

async function transaction<Connection extends MysqlConnection, T>(
  connection: Connection,
  begin: readonly string[],
  work: (connection: Connection) => Promise<T>,
  onBroken: () => void,
): Promise<T> {
  for (const statement of begin) await connection.query(statement)
  try {
    const result = await work(connection)
    await connection.query('COMMIT')
    return result
  } catch (thrown) {
    await connection.query('ROLLBACK').catch(onBroken)
    throw thrown
  }
}

function connectionOf(connection: MysqlConnection): SqlConnection {
  let lost: Error | undefined
  let tell: ((error: Error) => void) | undefined
  const isLost = (error: Error): void => {
    if (lost) return
    lost = error
    tell?.(error)
  }
  connection.on?.('error', (error) => isLost(error ?? new Error('the connection to the database has failed')))
  connection.on?.('end', () => isLost(new Error('the connection to the database has ended')))
  const broken = (): void => isLost(new Error('the connection to the database has failed'))
  return {
    transaction: (work) => transaction(connection, WRITES, () => work(adapt(connection, { begun: true })), broken),
    read: (work) => transaction(connection, READS, () => work(adapt(connection, { begun: true })), broken),
    onLost(call) {
      tell = call
      if (lost) call(lost)
    },
    async close({ broken: isBroken = false } = {}) {
      if (lost || isBroken) connection.destroy()
      else connection.release()
    },
  }
}
