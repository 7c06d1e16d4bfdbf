import { CorebusError } from '@corebus/core'

export type Dialect = 'postgres' | 'mysql' | 'sqlite'

export const DIALECTS: readonly Dialect[] = ['postgres', 'mysql', 'sqlite']

/** What a statement is given. A time is an integer or a text, and a truth is 0 or 1: the databases agree on nothing else. */
export type SqlValue = string | number | bigint | Uint8Array | null

export type SqlRow = Readonly<Record<string, unknown>>

export interface SqlResult {
  readonly rows: readonly SqlRow[]
  /** Rows that the statement wrote or deleted; of a statement that reads, the rows that it returned. */
  readonly affected: number
}

/**
 * An open transaction of whatever library: all that outbox and inbox need of one. Whoever uses a library that `adapt` does not know makes one.
 *
 * A statement has `?` where a parameter goes, on every database, and no other `?`. Its columns are named in one lower-case word, which survives the
 * libraries that rename (`camelCase` plugins). Bytes come back as Uint8Array. Integers come back as number, beyond 2^53 as bigint or text, and those
 * of 64 bits as text from some libraries: `int64` reads all of them.
 */
export interface SqlTx {
  readonly dialect: Dialect
  query(sql: string, params?: readonly SqlValue[], options?: StatementOptions): Promise<SqlResult>
}

export interface StatementOptions {
  /** The same text is run again and again: a connection that keeps prepared statements may keep this one. A SqlTx need not know of it. Default false. */
  readonly repeated?: boolean
}

/** PostgreSQL's own placeholders. */
export function numbered(sql: string): string {
  let n = 0
  return sql.replace(/\?/g, () => `$${++n}`)
}

/** Whether the statement returns rows: some libraries have one method for those and another for all others. */
export function reads(sql: string): boolean {
  return /^\s*(select|with|pragma|show|values)\b|\breturning\b/i.test(sql)
}

const WRITES = /^\s*(insert|update|delete|replace|merge|with)\b/i

/** How many rows a statement wrote, as its library says. @throws where it does not say: nothing may be taken for "no row". */
export function count(sql: string, affected: unknown): number {
  if (typeof affected === 'number' || typeof affected === 'bigint') return Number(affected)
  if (!WRITES.test(sql)) return 0
  throw new CorebusError(
    'TX_UNKNOWN',
    'the library of this transaction does not say how many rows a statement wrote: use another driver with it',
  )
}

/** Exact whatever the library: numbers up to 2^53, beyond it decimal text, which each database makes an integer of. Some libraries know bytes only as Buffer. */
export function intoLibrary(value: SqlValue): string | number | Buffer | null {
  if (typeof value === 'bigint') return isSafe(value) ? Number(value) : String(value)
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value
}

/** Rows as every library gives them. */
export function fromLibrary(row: SqlRow): SqlRow {
  // A loop: a relay reads so many rows that it shows.
  const ours: Record<string, unknown> = {}
  for (const name of Object.keys(row)) ours[name] = asOurs(row[name])
  return ours
}

function asOurs(value: unknown): unknown {
  if (typeof value === 'bigint') return isSafe(value) ? Number(value) : value
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  return Buffer.isBuffer(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : value
}

function isSafe(value: bigint): boolean {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
}

/** An integer of 64 bits, however the library gave it. @throws CorebusError INTEGER_LOST when the library has rounded it already */
export function int64(value: unknown): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return BigInt(value)
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  throw new CorebusError(
    'INTEGER_LOST',
    `${typeof value === 'number' ? 'an integer beyond 2^53 came as a number, and its last digits are gone' : `${typeof value} where an integer was expected`}: let the library give such integers as bigint or text`,
  )
}
