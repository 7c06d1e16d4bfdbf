/** What to do about the consumer. */
export type Step = 'stay' | 'cancel' | { readonly consume: number }

/** How much more must be allowed before a running consumer is replaced for it. */
const WORTH_REPLACING = 1.5
/** Of the new limit: so much may still be out when the next consumer begins, and is taken off its credit. */
const OUT_SHARE = 0.25

/**
 * Turns a limit that changes into consumers whose prefetch does not. What a cancelled consumer still has out gives no credit to the next one,
 * so that one begins when little is out; until then there is none, and never is more out than the limit allows.
 */
export class Credit {
  #running = false
  #prefetch = 0
  /** Delivered to this consumer and not acknowledged. */
  #out = 0
  /** The same of those before it. */
  #orphans = 0
  #newestOrphan = 0

  next(limit: number): Step {
    const out = this.#out + this.#orphans
    if (!this.#running) return limit > 0 && out <= limit * OUT_SHARE ? { consume: limit - out } : 'stay'
    const most = this.#prefetch + this.#orphans
    if (limit < most) return 'cancel'
    return limit > this.#prefetch && (out === 0 || limit >= most * WORTH_REPLACING) ? 'cancel' : 'stay'
  }

  /** The broker can send nothing more until something is acknowledged. */
  get used(): boolean {
    return this.#out >= this.#prefetch
  }

  get isRunning(): boolean {
    return this.#running
  }

  /** Before the consumer's first delivery. `newest` is the latest tag so far. */
  begin(prefetch: number, newest: number): void {
    this.#running = true
    this.#prefetch = prefetch
    this.#orphans += this.#out
    this.#out = 0
    this.#newestOrphan = newest
  }

  end(): void {
    this.#running = false
  }

  delivered(): void {
    this.#out++
  }

  acknowledged(tag: number): void {
    if (tag <= this.#newestOrphan) this.#orphans--
    else this.#out--
  }
}
