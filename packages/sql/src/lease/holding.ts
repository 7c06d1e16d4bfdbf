import { CorebusError } from '@corebus/core'
import type { SqlDatabase } from '../database/database.ts'
import { answering } from '../database/silent.ts'
import { slept } from '../process/every.ts'
import type { Held, LeaseStore } from './store.ts'

/** What the holder of a lease is told. */
export interface Holding {
  /** It is greater than that of all who had the lease before. Who takes writes of lease holders refuses one with a smaller fence than it has seen. */
  readonly fence: number
  /** Aborted when the lease may be somebody else's, with the CorebusError LEASE_LOST as its reason. Stop then: what is done is done twice. */
  readonly signal: AbortSignal
}

export interface HoldingOptions {
  readonly database: SqlDatabase
  readonly store: Pick<LeaseStore, 'renew'>
  readonly held: Held
  readonly ttlMs: number
  /** `performance.now()` before the lease was taken. */
  readonly takenAt: number
}

/** How many times a lease is renewed while it lasts. */
const RENEWALS = 3
/** After a renewal that failed the next one is sent within this part of the lease's time. */
const AGAIN = 10

/**
 * Runs `work`, and keeps the lease meanwhile. It counts as lost when somebody else has taken it, and when it was not renewed in time: by a clock that was
 * read before the database read its own, so never later than another may take it.
 * @throws what the work throws; CorebusError LEASE_LOST when the lease was lost before the work ended, whatever became of it
 */
export async function whileHeld<T>(
  { database: given, store, held, ttlMs, takenAt }: HoldingOptions,
  work: (holding: Holding) => Promise<T> | T,
): Promise<T> {
  // A renewal that is not answered ends in time for the next one to be sent, by another connection.
  const database = answering(given, ttlMs / RENEWALS)
  const lost = new AbortController()
  const ended = new AbortController()
  let failure: unknown
  let expiry: NodeJS.Timeout | undefined
  const expireAfter = (fromMs: number): void => {
    clearTimeout(expiry)
    expiry = setTimeout(
      () => lost.abort(leaseLost(held.name, `it was not renewed within ${ttlMs} ms (ttlMs)`, failure)),
      fromMs + ttlMs - performance.now(),
    )
  }
  const renew = async (): Promise<void> => {
    let waitMs = ttlMs / RENEWALS
    while (await slept(waitMs, ended.signal)) {
      const sentAt = performance.now()
      try {
        if (await database.transaction((tx) => store.renew(tx, held, ttlMs))) {
          if (!ended.signal.aborted && !lost.signal.aborted) expireAfter(sentAt)
          waitMs = ttlMs / RENEWALS
        } else lost.abort(leaseLost(held.name, 'somebody else has taken it'))
      } catch (thrown) {
        // Tried again until its time is over, which then says why.
        failure = thrown
        waitMs = ttlMs / AGAIN
      }
      if (lost.signal.aborted) return
    }
  }
  expireAfter(takenAt)
  // Never rejects. It is not waited for: a database that does not answer must not keep what has ended.
  void renew()
  try {
    const result = await work({ fence: held.fence, signal: lost.signal })
    lost.signal.throwIfAborted()
    return result
  } catch (thrown) {
    if (lost.signal.aborted && thrown !== lost.signal.reason) throw leaseLost(held.name, 'its work has failed after that', thrown)
    throw thrown
  } finally {
    ended.abort()
    clearTimeout(expiry)
  }
}

function leaseLost(name: string, why: string, cause?: unknown): CorebusError {
  return new CorebusError(
    'LEASE_LOST',
    `the lease ${name} was lost: ${why}. What it guards may have been done twice, unless who was written to has refused the smaller fence`,
    { cause },
  )
}
