import type { Host } from '@corebus/core'
import type { SqlConnection, SqlDatabase, Transacts } from '../database/database.ts'
import { answering, DatabaseSilent, guarded } from '../database/silent.ts'
import { slept } from '../process/every.ts'
import { withoutParameters } from '../tx/without-parameters.ts'
import { listenOn } from './notify.ts'

export interface LineOptions {
  readonly database: SqlDatabase
  readonly logger: Host['logger']
  readonly silentMs: number
  readonly idleMs: number
  readonly channel: string
  readonly onNotify: () => void
}

/** The relay's one connection, where the library gives one: it takes turns on it and hears NOTIFY. Made when it is needed, and again when it is lost. */
export class Line {
  readonly #options: LineOptions
  readonly #closing = new AbortController()
  #connection: SqlConnection | undefined
  #listening: Promise<void> | undefined
  #isDeaf = false

  constructor(options: LineOptions) {
    this.#options = options
  }

  /** What transactions run on. One that finds the line dead gives it up. */
  async transacts(): Promise<Transacts> {
    const { database, silentMs } = this.#options
    if (database.dialect === 'sqlite' || !database.connect) return answering(database, silentMs)
    const connection = this.#connection ?? (await this.#connect(database.connect.bind(database)))
    return guarded(connection, silentMs, () => this.#giveUp(connection))
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#listening
    // Never back to a pool: it has settings of ours.
    await this.#connection?.close({ broken: true }).catch(() => undefined)
  }

  async #connect(connect: Connect): Promise<SqlConnection> {
    const { database, silentMs } = this.#options
    const connection = await connected(connect, silentMs)
    this.#connection = connection
    // Its pool has a place for it until it is given back.
    connection.onLost(() => this.#giveUp(connection))
    if (database.dialect === 'mysql') await this.#endIdle(connection)
    // Relaying does not wait for it.
    else this.#listening = this.#listen(connection, connect)
    return connection
  }

  /** So that MariaDB gives up the locks of a relay whose machine is gone. MySQL has no such setting: there TCP finds out. */
  async #endIdle(connection: SqlConnection): Promise<void> {
    const { silentMs, idleMs } = this.#options
    const set = `SET SESSION idle_transaction_timeout = ${Math.ceil(idleMs / 1_000)}`
    await guarded(connection, silentMs, () => this.#giveUp(connection))
      .read((tx) => tx.query(set))
      .catch((thrown: unknown) => {
        if (thrown instanceof DatabaseSilent) throw thrown
      })
  }

  async #listen(connection: SqlConnection, connect: Connect): Promise<void> {
    const { logger, channel, onNotify, silentMs } = this.#options
    const { signal } = this.#closing
    try {
      const hears = await listenOn(connection, { channel, onNotify, silentMs, signal, another: () => connected(connect, silentMs) })
      if (hears || this.#isDeaf || this.#connection !== connection) return
      this.#isDeaf = true
      logger.warn(
        'nothing comes of LISTEN, as behind a pooler in transaction mode: what other processes write is found by polling (pollMs, OUTBOX_POLL_INTERVAL)',
      )
    } catch (thrown) {
      // A line that is lost is made again, and listened to.
      if (this.#connection === connection) logger.debug({ err: withoutParameters(thrown) }, 'LISTEN has failed: the outbox is polled')
    }
  }

  #giveUp(connection: SqlConnection): void {
    if (this.#connection !== connection) return
    this.#connection = undefined
    // Not waited for: nobody answers.
    void connection.close({ broken: true }).catch(() => undefined)
  }
}

type Connect = NonNullable<SqlDatabase['connect']>

/** Some libraries wait for a connection for ever. One that comes too late is given back. */
async function connected(connect: Connect, silentMs: number): Promise<SqlConnection> {
  const connecting = connect()
  const waiting = new AbortController()
  const late = slept(silentMs, waiting.signal, true).then((isLate) => {
    if (!isLate) return undefined
    connecting.then((connection) => connection.close({ broken: true })).catch(() => undefined)
    throw new DatabaseSilent(silentMs)
  })
  try {
    return (await Promise.race([connecting, late])) ?? (await connecting)
  } finally {
    waiting.abort()
  }
}
