import type { Clock } from '../../clock.ts'
import { CorebusError } from '../../errors.ts'
import { stuckRetries } from '../stuck-retries.ts'
import { sharedWithOthers } from './failure.ts'
import type { Beat } from './pulse.ts'

export interface NoticesOptions {
  readonly topic: string
  readonly group: string
  /** The topic's, for commands. */
  readonly stream: string
  readonly clock: Clock
  readonly onNotice: (error: Error) => void
}

/** What a member finds in its group that keeps nobody from reading, and that nobody would see if it were not said. */
export class Notices {
  readonly #options: NoticesOptions
  /** Consumers of other clients that were said, while they are there. */
  #others: ReadonlySet<string> = new Set()
  readonly #stuck: (topic: string, why: string) => void

  constructor(options: NoticesOptions) {
    this.#options = options
    this.#stuck = stuckRetries(options)
  }

  saw({ others, deleted, refusal, skipped }: Beat): void {
    const { stream, group, topic, onNotice } = this.#options
    const holding = others.filter(({ pending }) => pending > 0)
    for (const other of holding) if (!this.#others.has(other.name)) onNotice(sharedWithOthers({ stream, group, ...other }))
    this.#others = new Set(holding.map(({ name }) => name))
    if (deleted > 0) this.#deleted(`${deleted} retries of group ${group} on ${topic} were deleted from Redis while they waited`)
    if (skipped > 0) this.messagesDeleted(skipped)
    if (refusal !== '') this.#stuck(topic, refusal)
  }

  messagesDeleted(count: number): void {
    const { topic, group } = this.#options
    this.#deleted(`${count} messages of ${topic} were deleted from Redis before group ${group} had handled them`)
  }

  #deleted(text: string): void {
    this.#options.onNotice(new CorebusError('MESSAGES_DELETED', text))
  }
}
