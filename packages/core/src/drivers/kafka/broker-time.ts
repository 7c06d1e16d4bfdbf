import type { Clock } from '../../driver.ts'

const FRESH_MS = 60_000

/**
 * The broker's clock, as it stamps what it stores. Delays are measured on it alone: the clocks of members may be apart.
 */
export class BrokerTime {
  readonly #clock: Clock
  readonly #ask: () => Promise<number>
  #aheadMs = 0
  #askedAt = Number.NEGATIVE_INFINITY

  /** `ask` stores something and answers with the broker's stamp of it. */
  constructor(clock: Clock, ask: () => Promise<number>) {
    this.#clock = clock
    this.#ask = ask
  }

  /** Ms since the epoch, as far as known. */
  now(): number {
    return this.#clock.now() + this.#aheadMs
  }

  /** Before something is measured. Where the broker cannot be asked, what was known holds on, or our own clock. */
  async refresh(): Promise<void> {
    if (this.#clock.now() - this.#askedAt < FRESH_MS) return
    this.#askedAt = this.#clock.now()
    const stamp = await this.#ask().catch(() => -1)
    // Never too early: the broker's clock has gone on since it made the stamp.
    if (stamp >= 0) this.#aheadMs = stamp - this.#clock.now()
  }
}
