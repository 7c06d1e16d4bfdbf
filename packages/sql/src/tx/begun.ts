import { adapt, adaptReading } from './adapt.ts'
import type { Dialect, SqlTx } from './sql-tx.ts'

/** What our sessions have open: nobody need ask the database whether they are transactions. */
const begun = new WeakMap<object, SqlTx>()

/** Runs `work` with a transaction that has just been begun, and that is over when it settles. Libraries give some objects again for the next transaction. */
export async function withBegun<Tx extends object, T>(tx: Tx, sql: SqlTx, work: (tx: Tx) => Promise<T>): Promise<T> {
  begun.set(tx, sql)
  try {
    return await work(tx)
  } finally {
    begun.delete(tx)
  }
}

/** Returns what a session opened, or a transaction of the user's own, as a `SqlTx`, of that database where it is said. @throws what `adapt` throws */
export function txOf(db: unknown, dialect?: Dialect): SqlTx {
  return openAs(db, dialect) ?? adapt(db, { ...(dialect && { dialect }) })
}

const readers = new WeakMap<object, SqlTx>()

/** The same for what reads: a connection without a transaction will do. @throws what `adapt` throws, but no TX_AUTOCOMMIT */
export function readerOf(db: unknown, dialect?: Dialect): SqlTx {
  const open = openAs(db, dialect)
  if (open) return open
  const known = isObject(db) ? readers.get(db) : undefined
  if (known) return known
  const reader = adaptReading(db, dialect)
  // A connection that reads is the same for many requests, and has its prepared statements.
  if (isObject(db)) readers.set(db, reader)
  return reader
}

const isObject = (db: unknown): db is object => (typeof db === 'object' && db !== null) || typeof db === 'function'

function openAs(db: unknown, dialect: Dialect | undefined): SqlTx | undefined {
  const ours = isObject(db) ? begun.get(db) : undefined
  return dialect === undefined || ours?.dialect === dialect ? ours : undefined
}
