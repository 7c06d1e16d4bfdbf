import type { SqlDatabase } from '../database/database.ts'
import { answering } from '../database/silent.ts'
import { every, type Repeated } from '../process/every.ts'
import { BATCH, deleteExpired, takeCleanUp } from './table.ts'

export interface CleanUp {
  readonly database: SqlDatabase
  readonly table: string
  readonly keepMs: number
  readonly everyMs: number
  /** Told when it begins to fail, and with undefined when it works again. */
  readonly trouble: (error: Error | undefined) => void
  /** As for `answering`. */
  readonly silentMs?: number
}

/** Deletes what has expired, now and then: one process at a time, in transactions that are short. */
export function cleaningUp({ database: given, table, keepMs, everyMs, trouble, silentMs }: CleanUp): Repeated {
  const database = answering(given, silentMs)
  return every(everyMs, trouble, async (signal) => {
    if (!(await database.transaction((tx) => takeCleanUp(tx, table, everyMs)))) return
    for (;;) {
      if (signal.aborted) return
      const deleted = await database.transaction((tx) => deleteExpired(tx, table, { keepMs, everyMs }))
      if (deleted < BATCH[database.dialect]) return
    }
  })
}
