import { CorebusError } from '@corebus/core'
import { adapt } from '../tx/adapt.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import type { SqlConnection, SqlDatabase } from './database.ts'

/** What is used of a client of pg. */
export interface PgClient {
  query(sql: string, params?: readonly unknown[]): Promise<unknown>
  on(event: 'notification', listener: (message: { readonly channel: string }) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  release(error?: Error | boolean): void
}

export interface PgPool<Client extends PgClient = PgClient> {
  connect(): Promise<Client>
  connect(callback: (error: Error | undefined, client: Client | undefined) => void): unknown
  readonly options?: { readonly max?: number | undefined }
}

const WRITES = 'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE'
const READS = 'BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY'

/** A pool of pg. Each connection that `connect` takes out of it stays out, so one of a single connection has none to give: whoever waited for it would wait for ever. */
export function ofPgPool(pool: PgPool, where: string): SqlDatabase {
  return {
    dialect: 'postgres',
    where,
    transaction: (work) => inPgTransaction(pool, WRITES, (client) => work(adapt(client, { begun: true }))),
    read: (work) => inPgTransaction(pool, READS, (client) => work(adapt(client, { begun: true }))),
    ...(pool.options?.max !== 1 && {
      connect: async () => {
        const client = await taken(pool, () => undefined) // it tells of its loss itself
        return pgConnection(client, (error) => client.release(error))
      },
    }),
  }
}

/** Runs `work` in a transaction of a client out of the pool, which `begin` begins. */
export async function inPgTransaction<Client extends PgClient, T>(
  pool: PgPool<Client>,
  begin: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  // What was running on a connection that is lost rejects.
  const onError = (): void => {}
  const client = await taken(pool, onError)
  let broken: Error | undefined
  try {
    return await transaction(client, begin, work)
  } catch (thrown) {
    broken = thrown instanceof RollbackFailed ? thrown : undefined
    throw broken?.cause ?? thrown
  } finally {
    client.removeListener('error', onError)
    client.release(broken)
  }
}

/**
 * A client out of the pool. One that loses its connection while nobody listens for its errors ends the process, so somebody does before the callback returns: a server
 * that goes down says so in one breath with being ready, which is before any promise has resolved.
 */
function taken<Client extends PgClient>(pool: PgPool<Client>, onError: () => void): Promise<Client> {
  return new Promise((resolve, reject) => {
    // With a callback it gives no promise.
    void pool.connect((error, client) => {
      if (!client) return reject(error)
      client.on('error', onError)
      resolve(client)
    })
  })
}

/** The connection is in a state that nobody knows: it must not go back to the pool. */
class RollbackFailed extends Error {}

async function transaction<Client extends Pick<PgClient, 'query'>, T>(
  client: Client,
  begin: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  await client.query(begin)
  try {
    const result = await work(client)
    const { command } = (await client.query('COMMIT')) as { readonly command?: string } // typed by each version of pg for itself
    // PostgreSQL answers the commit of a transaction that has failed with a rollback.
    if (command === 'ROLLBACK') throw swallowed()
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

function swallowed(): CorebusError {
  return new CorebusError(
    'TX_FAILED',
    'a statement in the transaction of this session has failed and its error was swallowed, so PostgreSQL rolled all of it back: put a savepoint around what may fail',
  )
}

/** A connection that is kept. `release` gives it back, with an error or true when nobody may use it again. */
export function pgConnection(
  client: Omit<PgClient, 'release' | 'removeListener'>,
  release: (error: Error | true) => unknown,
): SqlConnection {
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
      return await transaction(client, begin, () => work(adapt(client, { begun: true })))
    } catch (thrown) {
      if (!(thrown instanceof RollbackFailed)) throw thrown
      isLost(thrown.cause as Error)
      throw thrown.cause
    }
  }
  return {
    transaction: (work) => run(WRITES, work),
    read: (work) => run(READS, work),
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
      await release(lost ?? true)
    },
  }
}
