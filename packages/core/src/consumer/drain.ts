import type { Logger } from 'pino'
import { type Clock, Hold, sleep } from '../clock.ts'
import type { GroupRun } from './group-run.ts'

/** After the signal aborts: time for handlers to notice it and for sessions to roll back. */
const LONGEST_GRACE_MS = 3_000
const LONGEST_SETTLE_MS = 5_000

export interface DrainOptions {
  readonly clock: Clock
  readonly shutdownMs: number
  readonly abortGraceMs: number
  readonly logger: Logger
}

/**
 * Stops all groups at once: fetching stops, what runs may finish within `shutdownMs`, then its signal aborts and it is handed back, with no
 * attempt spent. Resolves when everything that can be settled is settled.
 */
export async function drain(runs: readonly GroupRun[], { clock, shutdownMs, abortGraceMs, logger }: DrainOptions): Promise<void> {
  if (runs.length === 0) return
  const hold = new Hold()
  hold.on()
  const finished = Promise.all(runs.map((run) => run.stop())).then(() => true)
  const running = runs.reduce((sum, run) => sum + run.health().running, 0)
  if (running > 0) logger.info({ running }, `stopping: ${running} handlers are running and have ${shutdownMs} ms to finish`)
  if (!(await within(finished, shutdownMs, clock))) {
    for (const run of runs) run.abort()
    const left = runs.reduce((sum, run) => sum + run.health().running, 0)
    logger.warn(
      { running: left },
      `${left} handlers took longer than ${shutdownMs} ms (shutdownMs): aborted by their signal, their messages are handed back`,
    )
    await within(finished, Math.min(abortGraceMs, LONGEST_GRACE_MS), clock)
  }
  // An acknowledgement that does not get through costs a redelivery, not the shutdown.
  await within(
    Promise.all(runs.map((run) => run.end())).then(() => true),
    LONGEST_SETTLE_MS,
    clock,
  )
  hold.end()
}

async function within(finished: Promise<boolean>, ms: number, clock: Clock): Promise<boolean> {
  const over = new AbortController()
  const result = await Promise.race([finished, sleep(clock, ms, over.signal).then(() => false)])
  over.abort()
  return result
}
