import type { Logger } from 'pino'
import { type Clock, Hold, monotonic, sleep } from '../clock.ts'
import type { GroupRun } from './group-run.ts'

/** After the signal aborts: time for handlers to notice it and for sessions to roll back. */
const LONGEST_GRACE_MS = 3_000
/** How long a close waits for settlements while the broker cannot be reached: it may never answer. */
const SETTLE_WITHOUT_BROKER_MS = 5_000
const LOOK_EVERY_MS = 250

export interface DrainOptions {
  readonly clock: Clock
  readonly shutdownMs: number
  readonly abortGraceMs: number
  readonly logger: Logger
  /** Whether the broker can be reached. */
  readonly isUp: () => boolean
}

export type Drained = Pick<GroupRun, 'stop' | 'abort' | 'end' | 'giveUp' | 'health'>

/**
 * Stops all groups at once: fetching stops, what runs may finish within `shutdownMs`, then its signal aborts and it is handed back, with no
 * attempt spent. Resolves when everything that can be settled is settled: an acknowledgement that does not get through costs a redelivery,
 * and at most what is left of `shutdownMs`.
 */
export async function drain(runs: readonly Drained[], { clock, shutdownMs, abortGraceMs, logger, isUp }: DrainOptions): Promise<void> {
  if (runs.length === 0) return
  const until = monotonic(clock) + shutdownMs
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
  const settled = Promise.all(runs.map((run) => run.end())).then(() => true)
  // A Kafka group takes no commits while one of its members died in the middle of a rebalance: until that one's session is over.
  for (let ms = SETTLE_WITHOUT_BROKER_MS; !(await within(settled, ms, clock)); ms = LOOK_EVERY_MS) {
    if (isUp() && monotonic(clock) < until) continue
    const left = runs.reduce((sum, run) => sum + run.health().unsettled, 0)
    if (left > 0)
      logger.warn(
        { unsettled: left },
        `${left} messages were handled and the broker did not take their settlement: they will be handled again`,
      )
    for (const run of runs) run.giveUp()
    break
  }
  hold.end()
}

async function within(finished: Promise<boolean>, ms: number, clock: Clock): Promise<boolean> {
  const over = new AbortController()
  const result = await Promise.race([finished, sleep(clock, ms, over.signal).then(() => false)])
  over.abort()
  return result
}
