import { adapt } from './adapt.ts'
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

/** What a session opened, or a transaction of the user's own, as a `SqlTx` of that database. @throws what `adapt` throws */
export function txOf(db: unknown, dialect: Dialect): SqlTx {
  const ours = typeof db === 'object' || typeof db === 'function' ? begun.get(db as object) : undefined
  return ours?.dialect === dialect ? ours : adapt(db, { dialect })
}
