import { CorebusError } from '@corebus/core'
import { checkOptions, milliseconds, must, type Option } from '@corebus/core/internal'
import type { SqlSessions } from '../database/database.ts'
import { DIALECTS, type Dialect } from '../tx/sql-tx.ts'
import { checkObject } from './database-object.ts'
import { type Library, sessionsOf } from './library.ts'
import { type Isolation, type SessionOptions, SQL_SESSION } from './options.ts'

interface PrismaTransactionOptions {
  readonly maxWait?: number
  readonly timeout?: number
  readonly isolationLevel?: never
}

/** What is used of a client of Prisma. */
export interface PrismaClient<Tx extends object> {
  $transaction<T>(work: (tx: Tx) => Promise<T>, options?: PrismaTransactionOptions): Promise<T>
}

export interface PrismaSessionOptions<Tx extends object> extends SessionOptions {
  /** The database of the client: Prisma does not say it. */
  readonly dialect: Dialect
  /** Another client for reading sessions: of a replica, or of a second connection to a file of SQLite, so that nobody who reads waits for a transaction. */
  readonly read?: PrismaClient<Tx>
  /** How long a session waits for a connection: Prisma's `maxWait`. Default 10,000 ms. */
  readonly maxWaitMs?: number
  /** How long a session may take before Prisma rolls it back: its `timeout`. Default an hour, since a handler has a time-out of its own. In ms. */
  readonly timeoutMs?: number
}

export const PRISMA_SESSION: Readonly<Record<keyof PrismaSessionOptions<object>, Option>> = {
  dialect: {
    default: 'none: it must be said',
    must: must(`one of ${DIALECTS.join(', ')}`, (value) => DIALECTS.some((one) => one === value)),
    text: "`'postgres'`, `'mysql'` or `'sqlite'`: Prisma does not say which database it is of",
  },
  ...SQL_SESSION,
  maxWaitMs: { default: '10,000', must: milliseconds(0), text: "how long a session waits for a connection: Prisma's `maxWait`" },
  timeoutMs: {
    default: '3,600,000',
    must: milliseconds(1),
    text: "how long a session may take before Prisma rolls it back: its `timeout`. A handler has a time-out of its own, and Prisma's 5 s are less than that",
  },
}

/**
 * Sessions by a client of Prisma: handlers receive what its interactive `$transaction` gives. A session that the database ends because of another one
 * (serialisation failure, deadlock) is run again at once, at most 3 times. On SQLite sessions take turns, by file.
 * @throws CorebusError OPTION, TX_DIALECT; a session also SESSION_BUSY, SESSION_NESTED, TX_FAILED when a statement has failed and its error was swallowed
 */
export function prismaSession<Tx extends object>(client: PrismaClient<Tx>, options: PrismaSessionOptions<Tx>): SqlSessions<Tx> {
  checkOptions('prismaSession', options, PRISMA_SESSION)
  checkObject('prismaSession', client, { method: '$transaction', wanted: 'a PrismaClient' })
  if (options.dialect === undefined)
    throw new CorebusError(
      'TX_DIALECT',
      `Prisma does not say which database it is of: say prismaSession(client, { dialect }) with ${DIALECTS.join(', ')}`,
    )
  return sessionsOf('prismaSession', libraryOf(client, options), options, options.read && libraryOf(options.read, options))
}

const LEVELS: Readonly<Record<Isolation, string>> = {
  'read committed': 'ReadCommitted',
  'repeatable read': 'RepeatableRead',
  serializable: 'Serializable',
}

function libraryOf<Tx extends object>(
  client: PrismaClient<Tx>,
  { dialect, maxWaitMs: maxWait = 10_000, timeoutMs: timeout = 3_600_000 }: PrismaSessionOptions<Tx>,
): Library<Tx> {
  return {
    dialect,
    root: client,
    transaction: (work, isolation) =>
      client.$transaction(work, { maxWait, timeout, ...(isolation && { isolationLevel: LEVELS[isolation] as never }) }), // typed by the user's generated client
  }
}
