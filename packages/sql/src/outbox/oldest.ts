import type { CompanionHealth } from '@corebus/core'
import type { SqlDatabase } from '../database/database.ts'
import { answering } from '../database/silent.ts'
import { every, type Repeated } from '../process/every.ts'
import { look } from '../relay/rows.ts'
import { isDenied } from '../tx/database-errors.ts'
import type { OutboxTables } from './tables.ts'

/** The age of the oldest row, in a process whose rows others relay. */
export interface Oldest extends Repeated {
  health(): CompanionHealth
}

/**
 * Looks now and then. Its age is not known before the first look, while the database is away, and where the user of the database may not read the
 * outbox, who is then asked for it no more: each refusal is a line in the log of the server.
 */
export function oldestIn(database: SqlDatabase, tables: OutboxTables, everyMs: number): Oldest {
  let seen: { readonly oldestMs: number; readonly at: number } | undefined
  const looking = every(
    everyMs,
    (error) => {
      seen = undefined
      if (isDenied(error)) void looking.end(0)
    },
    async () => {
      const { oldestMs } = await answering(database).read((tx) => look(tx, tables))
      seen = { oldestMs, at: performance.now() }
    },
  )
  return {
    ...looking,
    health() {
      if (!seen) return {}
      return { oldestMs: seen.oldestMs === 0 ? 0 : Math.round(seen.oldestMs + performance.now() - seen.at) }
    },
  }
}
