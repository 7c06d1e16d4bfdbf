import { setImmediate } from 'node:timers/promises'
import { checkOptions } from '@corebus/core/internal'
import type { SqlConnection, SqlSessions, Transacts } from '../database/database.ts'
import { checkObject } from './database-object.ts'
import { type Library, sessionsOf } from './library.ts'
import { SERVER_SESSION, type ServerSessionOptions } from './options.ts'

/** What is used of the `sql` of postgres.js. */
export interface PostgresJs<Tx extends object> {
  begin<T>(options: string, work: (tx: Tx) => Promise<T>): Promise<unknown>
  listen(channel: string, onNotify: (payload: string) => void, onListen?: () => void): Promise<{ unlisten(): Promise<void> }>
}

export interface PostgresSessionOptions<Tx extends object> extends ServerSessionOptions {
  /** Another `sql` for reading sessions, such as one of a replica. */
  readonly read?: PostgresJs<Tx>
}

/**
 * Sessions by the `sql` of postgres.js: handlers receive the `sql` of a transaction. It refuses to be used when its session is over (TX_OVER), and a
 * session rejects when one of its statements has failed, also where its error was swallowed. A session that the database ends because of another one
 * (serialisation failure, deadlock) is run again at once, at most 3 times.
 * @throws CorebusError OPTION
 */
export function postgresSession<Tx extends object>(sql: PostgresJs<Tx>, options: PostgresSessionOptions<Tx> = {}): SqlSessions<Tx> {
  checkOptions('postgresSession', options, SERVER_SESSION)
  for (const one of options.read ? [sql, options.read] : [sql])
    checkObject('postgresSession', one, { method: 'begin', wanted: 'the sql of postgres.js, as postgres(url) makes it' })
  const sessions = sessionsOf('postgresSession', libraryOf(sql), options, options.read && libraryOf(options.read))
  const { database } = sessions
  return { ...sessions, database: { ...database, connect: async () => postgresConnection(sql, database) } }
}

function libraryOf<Tx extends object>(sql: PostgresJs<Tx>): Library<Tx> {
  // What `begin` resolves with is what the work did, but for arrays of promises.
  const begin = async <T>(options: string, work: (tx: Tx) => Promise<T>): Promise<T> => {
    let result: { readonly value: T } | undefined
    await unlessLost<Tx, unknown>(
      (inside) => sql.begin(options, inside),
      async (tx) => {
        result = { value: await work(tx) }
      },
    )
    return (result as unknown as { readonly value: T }).value // the compiler does not see that the work has run
  }
  return {
    dialect: 'postgres',
    root: sql,
    transaction: (work, isolation) => begin(isolation ? `isolation level ${isolation}` : '', work),
    read: (work) => begin('read only', work),
    goesOn: true,
    tellsFailure: true,
  }
}

/**
 * postgres.js rejects `begin` as soon as its connection is lost, and writes the ROLLBACK of a work that ends after that to a socket that is gone, which
 * ends the process. So such a work never ends for it.
 */
export async function unlessLost<Tx, T>(begin: (work: (tx: Tx) => Promise<T>) => Promise<T>, work: (tx: Tx) => Promise<T>): Promise<T> {
  let lost = false
  const ended = async (): Promise<void> => {
    // What was running on the connection rejects a moment before `begin` does.
    await setImmediate()
    if (lost) await new Promise(() => {})
  }
  try {
    return await begin(async (tx) => {
      try {
        const result = await work(tx)
        if (lost) await ended()
        return result
      } catch (thrown) {
        await ended()
        throw thrown
      }
    })
  } catch (thrown) {
    lost = true
    throw thrown
  }
}

/** postgres.js keeps one connection for all that listen, and makes it again when it is lost; transactions take one from the pool. */
export function postgresConnection(sql: Pick<PostgresJs<object>, 'listen'>, { transaction, read }: Transacts): SqlConnection {
  const listening: { unlisten(): Promise<void> }[] = []
  return {
    transaction,
    read,
    async listen(channel, onNotify) {
      // Also when it listens again: what came meanwhile has told nobody.
      listening.push(await sql.listen(channel, onNotify, onNotify))
    },
    onLost() {},
    async close() {
      await Promise.all(listening.splice(0).map((one) => one.unlisten()))
    },
  }
}
