/** What to do about the consumer. */
export type Step = 'stay' | 'cancel' | { readonly consume: number }

/** How much more must be allowed before a running consumer is replaced for it. */
const WORTH_REPLACING = 1.5
/** Of the new limit: so much may still be held when the next consumer begins, and is taken off its credit. */
const HELD_SHARE = 0.25

/**
 * Turns a limit that changes into consumers whose prefetch does not. What a cancelled consumer still holds gives no credit to the next one,
 * so that one begins when little is held; until then there is none, and never is more out than the limit allows.
 */
export class Credit {
  #running = false
  #prefetch = 0
  /** Held from consumers before this one. */
  #orphans = 0
  #newestOrphan = 0

  next(limit: number, held: number): Step {
    if (!this.#running) return limit > 0 && held <= limit * HELD_SHARE ? { consume: limit - held } : 'stay'
    const most = this.#prefetch + this.#orphans
    if (limit < most) return 'cancel'
    return limit > this.#prefetch && (held === 0 || limit >= most * WORTH_REPLACING) ? 'cancel' : 'stay'
  }

  /** Before the consumer's first delivery. `newest` is the latest number so far. */
  begin(prefetch: number, held: number, newest: number): void {
    this.#running = true
    this.#prefetch = prefetch
    this.#orphans = held
    this.#newestOrphan = newest
  }

  end(): void {
    this.#running = false
  }

  settled(tag: number): void {
    if (tag <= this.#newestOrphan) this.#orphans--
  }

  /** A new channel: nothing is held, and numbers begin anew. */
  reset(): void {
    this.#running = false
    this.#prefetch = 0
    this.#orphans = 0
    this.#newestOrphan = 0
  }
}
