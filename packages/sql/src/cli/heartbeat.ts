import type { Host } from '@corebus/core'
import type { SqlDatabase } from '../database/database.ts'
import type { OutboxTables } from '../outbox/tables.ts'
import { slept } from '../process/every.ts'
import type { Relay } from '../relay/relay.ts'
import { look } from '../relay/rows.ts'

export interface HeartbeatOptions {
  readonly relay: Pick<Relay, 'pulse'>
  readonly database: SqlDatabase
  readonly tables: OutboxTables
  readonly logger: Host['logger']
  /** For so long a relay may do nothing about rows that are due. */
  readonly stalledMs: number
  /** Whether broker and database are well, as far as the instance knows: what is wrong with them is said elsewhere. */
  readonly isWell: () => boolean
  readonly onStuck: (what: string) => void
}

const LOOKS = 4
const MOST_LOOK_MS = 10_000

/**
 * Watches a relay, so that one that does nothing about rows that are due is not silent. One that has neither looked nor ended a turn is stuck: `onStuck`
 * is called once. One that looks and gets no rows is said once, since others may have them. Ends with the signal.
 */
export async function watchRelay(
  { relay, database, tables, logger, stalledMs, isWell, onStuck }: HeartbeatOptions,
  signal: AbortSignal,
): Promise<void> {
  const everyMs = Math.min(stalledMs / LOOKS, MOST_LOOK_MS)
  let said = false
  while (await slept(everyMs, signal)) {
    const { silentMs, idleMs, waitingMs } = relay.pulse()
    if (!isWell()) continue
    if (silentMs > stalledMs) {
      // The relay has not looked, so somebody else has to.
      const dueMs = await database
        .read((tx) => look(tx, tables))
        .then(
          (seen) => seen.waitingMs,
          () => 0, // a database that cannot be read is not well
        )
      if (dueMs <= stalledMs || relay.pulse().silentMs <= stalledMs) continue
      onStuck(`the relay has done nothing for ${seconds(silentMs)}, and rows have been due for ${seconds(dueMs)}`)
      return
    }
    const gets = idleMs <= stalledMs || waitingMs <= stalledMs
    if (!gets && !said)
      logger.warn(
        { idleMs, waitingMs },
        `rows have been due for ${seconds(waitingMs)}, and this relay gets none of them: another one has them, and does not publish. Look at the other relays, and for transactions that stay open`,
      )
    said = !gets
  }
}

const seconds = (ms: number): string => `${Math.round(ms / 1_000)} s`
