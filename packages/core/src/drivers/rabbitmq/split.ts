import type { Clock } from '../../clock.ts'

/** Something that has at most so many deliveries out. */
export interface Limited {
  limit(deliveries: number): void
  /** Nothing is out. */
  readonly isIdle: boolean
  /** And nothing can come. */
  readonly isAtRest: boolean
}

export interface SplitOptions {
  readonly clock: Clock
  readonly limit: number
  /** A queue of others, and the one where our retries of it come back. */
  readonly theirs: Limited
  readonly ours: Limited
  /** Whether something waits in ours. */
  readonly waits: () => Promise<boolean>
}

const LOOK_EVERY_MS = 200
const SHARE_OF_OURS = 0.25

/**
 * One limit for two queues. Our own gets a quarter of it; where it is one, whichever has something, and only when the other has nothing out: what is isolated
 * runs alone.
 */
export class Split {
  readonly #options: SplitOptions
  #limit: number
  #cancel: () => void = () => {}
  #ended = false

  constructor(options: SplitOptions) {
    this.#options = options
    this.#limit = options.limit
  }

  /** What the two begin with. */
  static first(limit: number): { readonly theirs: number; readonly ours: number } {
    const ours = limit > 1 ? Math.max(1, Math.floor(limit * SHARE_OF_OURS)) : 0
    return { theirs: limit - ours, ours }
  }

  begin(): void {
    this.#cancel = this.#options.clock.after(LOOK_EVERY_MS, () => void this.#look())
  }

  limit(deliveries: number): void {
    this.#limit = deliveries
    if (deliveries === 1) this.#takeTurns(false)
    else this.#share(Split.first(deliveries))
  }

  end(): void {
    this.#ended = true
    this.#cancel()
  }

  async #look(): Promise<void> {
    if (this.#limit === 1) {
      // No answer: looked at again.
      const waits = await this.#options.waits().catch(() => false)
      if (this.#limit === 1 && !this.#ended) this.#takeTurns(waits)
    }
    if (!this.#ended) this.begin()
  }

  /** First none for the one, and when nothing of it can come any more, one for the other. */
  #takeTurns(waits: boolean): void {
    const { theirs, ours } = this.#options
    if (waits || !ours.isIdle) this.#share({ theirs: 0, ours: theirs.isAtRest ? 1 : 0 })
    else this.#share({ theirs: ours.isAtRest ? 1 : 0, ours: 0 })
  }

  #share({ theirs, ours }: { readonly theirs: number; readonly ours: number }): void {
    this.#options.theirs.limit(theirs)
    this.#options.ours.limit(ours)
  }
}
