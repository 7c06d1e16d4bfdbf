import type { SqlConnection, SqlDatabase } from '../database/database.ts'
import { guarded } from '../database/silent.ts'
import { slept } from '../process/every.ts'

/** PostgreSQL cuts longer names. */
const LONGEST_CHANNEL = 63
/** A notification that has not come back by then will not come. */
const PROBE_MS = 2_000
/** At most one notification in so many ms: the first is sent at once, and what commits meanwhile is told with the next. */
const EVERY_MS = 10
/** A transaction of the user's own has most often ended by then. */
const UNCOMMITTED_MS = 20

/** The channel on which an outbox of PostgreSQL says that there is something to relay. */
export const channelOf = (table: string): string => `corebus_${table}`.slice(0, LONGEST_CHANNEL)

async function notify(database: Pick<SqlDatabase, 'transaction'>, channel: string): Promise<void> {
  await database.transaction((tx) => tx.query('SELECT pg_notify(?, ?)', [channel, '']))
}

export interface ListenOptions {
  readonly channel: string
  readonly onNotify: () => void
  /** Another connection, on which it is tried. */
  readonly another: () => Promise<SqlConnection>
  readonly silentMs: number
  /** Ends the wait for what was sent to try it. */
  readonly signal: AbortSignal
}

/**
 * Listens on the connection, where its library can, and tries whether anything comes. A pooler in transaction mode takes the LISTEN and delivers nothing:
 * false then.
 */
export async function listenOn(
  connection: SqlConnection,
  { channel, onNotify, another, silentMs, signal }: ListenOptions,
): Promise<boolean> {
  if (!connection.listen) return true
  let heard = false
  await connection.listen(channel, () => {
    heard = true
    onNotify()
  })
  // Through a pooler one's own would come back by chance.
  const other = await another()
  try {
    await notify(guarded(other, silentMs), channel)
  } finally {
    void other.close({ broken: true }).catch(() => undefined)
  }
  return !(await slept(PROBE_MS, signal)) || heard
}

/** Tells the relays of other processes, where this one has none. */
export interface Notifier {
  /** Something was committed. */
  committed(): void
  /** Something was written that may be committed soon. */
  written(): void
  /** Resolves when nothing more is sent. */
  close(): Promise<void>
}

/**
 * Sends NOTIFY after commits and not in them, where PostgreSQL would make them one after the other (a third of the commits a second were left). One that
 * cannot be sent is not sent again: relays look by themselves.
 */
export function notifier(database: SqlDatabase, channel: string): Notifier {
  let timer: NodeJS.Timeout | undefined
  let dueAt = 0
  let sentAt = Number.NEGATIVE_INFINITY
  let sending: Promise<void> | undefined
  let closed = false
  const send = (): void => {
    timer = undefined
    sentAt = performance.now()
    sending = notify(database, channel).catch(() => undefined)
  }
  const soon = (ms: number): void => {
    const at = performance.now() + ms
    if (closed || (timer && dueAt <= at)) return
    clearTimeout(timer)
    dueAt = at
    timer = setTimeout(send, ms)
    timer.unref()
  }
  return {
    committed: () => soon(Math.max(0, sentAt + EVERY_MS - performance.now())),
    written: () => soon(UNCOMMITTED_MS),
    async close() {
      closed = true
      if (timer) {
        clearTimeout(timer)
        send()
      }
      await sending
    },
  }
}
