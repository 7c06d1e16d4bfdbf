import { adapt } from '../tx/adapt.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import type { SqlConnection, SqlDatabase } from './database.ts'

/** What is used of a connection of mysql2/promise. */
export interface MysqlConnection {
  query(sql: string): Promise<unknown>
  release(): void
  destroy(): void
  on?(event: 'error' | 'end', listener: (error?: Error) => void): unknown
}

export interface MysqlPool {
  getConnection(): Promise<MysqlConnection>
}

/** A pool of mysql2/promise. */
export function ofMysqlPool(pool: MysqlPool, where: string): SqlDatabase {
  return {
    dialect: 'mysql',
    where,
    transaction: (work) => lent(pool, 'READ WRITE', work),
    read: (work) => lent(pool, 'READ ONLY', work),
    connect: async () => connectionOf(await pool.getConnection()),
  }
}

async function lent<T>(pool: MysqlPool, mode: Mode, work: (tx: SqlTx) => Promise<T>): Promise<T> {
  const connection = await pool.getConnection()
  let broken = false
  try {
    return await transaction(connection, mode, work, () => {
      broken = true
    })
  } finally {
    if (broken) connection.destroy()
    else connection.release()
  }
}

type Mode = 'READ WRITE' | 'READ ONLY'

async function transaction<T>(connection: MysqlConnection, mode: Mode, work: (tx: SqlTx) => Promise<T>, onBroken: () => void): Promise<T> {
  // For the next transaction alone.
  await connection.query('SET TRANSACTION ISOLATION LEVEL READ COMMITTED')
  await connection.query(`START TRANSACTION ${mode}`)
  try {
    const result = await work(adapt(connection, { begun: true }))
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
    transaction: (work) => transaction(connection, 'READ WRITE', work, broken),
    read: (work) => transaction(connection, 'READ ONLY', work, broken),
    onLost(call) {
      tell = call
      if (lost) call(lost)
    },
    async close() {
      if (lost) connection.destroy()
      else connection.release()
    },
  }
}
