import { setTimeout as sleep } from 'node:timers/promises'
import { CorebusError } from '@corebus/core'
import { isBusy } from '../tx/database-errors.ts'

const FIRST_WAIT_MS = 2
const LONGEST_WAIT_MS = 10

/**
 * Runs a statement of SQLite until no other connection has the file locked. SQLite's own waiting would block the event loop, and with it the very
 * handler that has to commit.
 * @throws CorebusError SESSION_BUSY when it is still locked after `busyTimeoutMs`
 */
export async function whenUnlocked(run: () => unknown, what: string, busyTimeoutMs: number): Promise<void> {
  const deadline = Date.now() + busyTimeoutMs
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      await run()
      return
    } catch (thrown) {
      if (!isBusy(thrown)) throw thrown
      const leftMs = deadline - Date.now()
      if (leftMs <= 0)
        throw new CorebusError(
          'SESSION_BUSY',
          `${what} was locked by another process or connection for ${busyTimeoutMs} ms (busyTimeoutMs). Does somebody wait for a slow call inside of a session? session: 'manual' keeps it outside`,
          { cause: thrown },
        )
      // Jitter, so that processes that wait for each other do not meet again and again.
      await sleep(Math.min(waitMs * (0.5 + Math.random()), leftMs))
    }
  }
}
