import { createHash } from 'node:crypto'
import { CorebusError } from '@corebus/core'
import type { Dialect, SqlTx } from '@corebus/sql'
import { quoted } from '@corebus/sql/internal'
import { JOURNAL_ROW, type Tables } from './tables.ts'

/**
 * The barrier between those who write the journal and who rebuilds from it. Numbers of rows are given when rows are written, and transactions commit in
 * another order: behind a number that was read, a smaller one may still come. So who handles an event passes the barrier before it writes, in any number at
 * once; who has closed it knows that all that has a number is committed, and that nobody writes into documents that are about to be replaced. Both hold it
 * until their transaction ends.
 */
export interface Barrier {
  pass(tx: SqlTx): Promise<void>
  close(tx: SqlTx): Promise<void>
}

export function barrier(dialect: Dialect, tables: Tables): Barrier {
  switch (dialect) {
    case 'postgres': {
      // An advisory lock and no lock of a row: those who share a row would let nobody in who wants it alone, and each would write it.
      const key = createHash('sha256').update(`corebus:${tables.journal}`).digest().readBigInt64BE()
      const lock = async (tx: SqlTx, how: string): Promise<void> => {
        const { rows } = await tx.query(`SELECT current_setting('transaction_isolation') AS level FROM pg_advisory_xact_lock${how}(${key})`)
        // It would not see what was changed while it waited.
        if (rows[0]?.level !== 'read committed') throw tooIsolated(String(rows[0]?.level))
      }
      return { pass: (tx) => lock(tx, '_shared'), close: (tx) => lock(tx, '') }
    }
    case 'mysql': {
      const row = `SELECT latest AS latest FROM ${quoted(dialect, tables.projections)} WHERE name = '${JOURNAL_ROW}'`
      const lock = async (tx: SqlTx, how: string): Promise<void> => {
        await tx.query(`${row} ${how}`)
      }
      return { pass: (tx) => lock(tx, 'LOCK IN SHARE MODE'), close: (tx) => lock(tx, 'FOR UPDATE') }
    }
    case 'sqlite':
      // SQLite lets a single transaction write at a time, so its writer is the barrier.
      return { pass: async () => undefined, close: async () => undefined }
  }
}

function tooIsolated(level: string): CorebusError {
  return new CorebusError(
    'PROJECTION',
    `the sessions are ${level.toUpperCase()}, and projections need READ COMMITTED: give the service sessions of that level for them`,
  )
}
