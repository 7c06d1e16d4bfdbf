import { type Clock, monotonic } from '../clock.ts'
import { CorebusError } from '../errors.ts'

export interface StuckRetriesOptions {
  readonly group: string
  readonly clock: Clock
  readonly onNotice: (error: Error) => void
}

const SAID_EVERY_MS = 60_000

/** Says that a retry is due and the broker does not take it where the group reads, at most once a minute: it is tried again until it does. */
export function stuckRetries({ group, clock, onNotice }: StuckRetriesOptions): (topic: string, why: string) => void {
  let saidAt: number | undefined
  return (topic, why) => {
    const now = monotonic(clock)
    if (saidAt !== undefined && now - saidAt < SAID_EVERY_MS) return
    saidAt = now
    onNotice(new CorebusError('RETRY_STUCK', `a retry of group ${group} on ${topic} is due and cannot be moved, the others go on: ${why}`))
  }
}
