import { milliseconds, must, type Option, oneOf } from '@corebus/core/internal'

const ISOLATIONS = ['read committed', 'repeatable read', 'serializable'] as const

/** How much a transaction sees of others that commit meanwhile. */
export type Isolation = (typeof ISOLATIONS)[number]

export interface SessionOptions {
  /** The isolation of write sessions on PostgreSQL, MySQL and MariaDB. Default: what the database is set to. SQLite has one isolation, and refuses the option. */
  readonly isolation?: Isolation
  /** How long another process may keep a file of SQLite locked, then SESSION_BUSY. Default 5,000 ms. */
  readonly busyTimeoutMs?: number
}

export type ServerSessionOptions = Pick<SessionOptions, 'isolation'>

const isolation: Option = {
  default: "the database's",
  must: oneOf(...ISOLATIONS),
  text: "`'read committed'`, `'repeatable read'` or `'serializable'`, of write sessions on PostgreSQL, MySQL and MariaDB. SQLite has one isolation, and refuses the option",
}
const read: Option = {
  default: 'the same',
  must: must('a database object of the library', (value) => (typeof value === 'object' && value !== null) || typeof value === 'function'),
  text: 'another database object of the library, for reading sessions: of a replica, or of a second connection to a file of SQLite, so that nobody who reads waits for a transaction',
}

/** Of a library with one connection. */
export const PGLITE_SESSION: Readonly<Record<keyof ServerSessionOptions, Option>> = { isolation }

/** Of a client for servers. */
export const SERVER_SESSION: Readonly<Record<keyof ServerSessionOptions | 'read', Option>> = { isolation, read }

/** Of a library for servers and files. */
export const SQL_SESSION: Readonly<Record<keyof SessionOptions | 'read', Option>> = {
  isolation,
  busyTimeoutMs: {
    default: '5,000',
    must: milliseconds(0),
    text: 'how long another process may keep a file of SQLite locked, then `SESSION_BUSY`. The event loop runs on meanwhile',
  },
  read,
}
