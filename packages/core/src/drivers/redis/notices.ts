import type { Clock } from '../../clock.ts'
import { CorebusError } from '../../errors.ts'
import { sharedWithOthers } from './failure.ts'
import type { Beat } from './pulse.ts'

export interface NoticesOptions {
  readonly topic: string
  readonly group: string
  readonly clock: Clock
  readonly onNotice: (error: Error) => void
}

const STUCK_SAID_EVERY_MS = 60_000

/** What a member finds in its group that keeps nobody from reading, and that nobody would see if it were not said. */
export class Notices {
  readonly #options: NoticesOptions
  #saidOthers = false
  #saidStuckAt: number | undefined

  constructor(options: NoticesOptions) {
    this.#options = options
  }

  saw({ others: [first], deleted, refusal }: Beat): void {
    const { topic, group, clock, onNotice } = this.#options
    if (first && !this.#saidOthers) onNotice(sharedWithOthers({ topic, group, ...first }))
    this.#saidOthers = first !== undefined
    if (deleted > 0) this.deleted(`${deleted} retries`, 'had them again')
    if (refusal === '' || (this.#saidStuckAt !== undefined && clock.now() - this.#saidStuckAt < STUCK_SAID_EVERY_MS)) return
    this.#saidStuckAt = clock.now()
    const text = `a retry of group ${group} on ${topic} is due and cannot be moved, the others go on: ${refusal}`
    onNotice(new CorebusError('RETRY_STUCK', text))
  }

  /** `what` was deleted by somebody before the group had got to the point that `before` names. */
  deleted(what: string, before: string): void {
    const { topic, group, onNotice } = this.#options
    onNotice(new CorebusError('MESSAGES_DELETED', `${what} of ${topic} were deleted from Redis before group ${group} ${before}`))
  }
}
