import { adapt } from '../tx/adapt.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import type { SqlConnection, SqlDatabase, Transacts } from './database.ts'

/** What is used of a client of pg. */
export interface PgClient {
  query(sql: string, params?: readonly unknown[]): Promise<unknown>
  on(event: 'notification', listener: (message: { readonly channel: string }) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  release(error?: Error | boolean): void
}

export interface PgPool {
  connect(): Promise<PgClient>
}

/** A pool of pg. Each connection that `connect` takes out of it stays out. */
export function ofPgPool(pool: PgPool, where: string): SqlDatabase {
  return {
    dialect: 'postgres',
    where,
    transaction: (work) => lent(pool, (client) => transaction(client, 'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE', work)),
    read: (work) => lent(pool, (client) => transaction(client, 'BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY', work)),
    connect: async () => connectionOf(await pool.connect()),
  }
}

async function lent<T>(pool: PgPool, work: (client: PgClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    return await work(client)
  } catch (thrown) {
    broken = thrown instanceof RollbackFailed ? thrown : undefined
    throw broken?.cause ?? thrown
  } finally {
    client.release(broken)
  }
}

/** The connection is in a state that nobody knows: it must not go back to the pool. */
class RollbackFailed extends Error {}

async function transaction<T>(client: PgClient, begin: string, work: (tx: SqlTx) => Promise<T>): Promise<T> {
  await client.query(begin)
  try {
    const result = await work(adapt(client, { begun: true }))
    await client.query('COMMIT')
    return result
  } catch (thrown) {
    try {
      await client.query('ROLLBACK')
    } catch {
      throw new RollbackFailed('a rollback failed', { cause: thrown })
    }
    throw thrown
  }
}

function connectionOf(client: PgClient): SqlConnection {
  let lost: Error | undefined
  let tell: ((error: Error) => void) | undefined
  const isLost = (error: Error): void => {
    if (lost) return
    lost = error
    tell?.(error)
  }
  client.on('error', isLost)
  client.on('end', () => isLost(new Error('the connection to PostgreSQL has ended')))
  const run = async <T>(begin: string, work: (tx: SqlTx) => Promise<T>): Promise<T> => {
    try {
      return await transaction(client, begin, work)
    } catch (thrown) {
      if (!(thrown instanceof RollbackFailed)) throw thrown
      isLost(thrown.cause as Error)
      throw thrown.cause
    }
  }
  const transacts: Transacts = {
    transaction: (work) => run('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE', work),
    read: (work) => run('BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY', work),
  }
  return {
    ...transacts,
    async listen(channel, onNotify) {
      client.on('notification', (message) => {
        if (message.channel === channel) onNotify()
      })
      await client.query(`LISTEN "${channel.replaceAll('"', '""')}"`)
    },
    onLost(call) {
      tell = call
      if (lost) call(lost)
    },
    // What listens must not go back to a pool: its notifications would go to whoever gets it next.
    async close() {
      client.release(lost ?? true)
    },
  }
}
