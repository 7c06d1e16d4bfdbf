import { type Clock, monotonic } from '../../clock.ts'
import { CorebusError } from '../../errors.ts'

const FRESH_MS = 60_000
/** A smaller difference may be the time that the question took. */
const MOVED_MS = 1_000
const MAY_BE_OFF_MS = 60_000

/**
 * The broker's clock, as it stamps what it stores. Delays are measured on it alone: the clocks of members may be apart. Between two looks at it
 * time goes on evenly, whatever is done to the clock of this machine.
 */
export class BrokerTime {
  readonly #clock: Clock
  readonly #ask: () => Promise<number>
  #ahead: number
  #askedAt = Number.NEGATIVE_INFINITY

  /** `ask` stores something and answers with the broker's stamp of it. */
  constructor(clock: Clock, ask: () => Promise<number>) {
    this.#clock = clock
    this.#ask = ask
    this.#ahead = clock.now() - monotonic(clock)
  }

  /** Ms since the epoch, as far as known. */
  now(): number {
    return monotonic(this.#clock) + this.#ahead
  }

  /** What there is to say of the clock of this machine, once it is a minute apart from the broker's. */
  off(): readonly CorebusError[] {
    const aheadMs = this.#clock.now() - this.now()
    if (Math.abs(aheadMs) < MAY_BE_OFF_MS) return []
    const where = `${Math.round(Math.abs(aheadMs) / 1_000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`
    const text = `the clock of this machine is ${where} the Kafka broker's. Messages are stamped and retries measured by the broker's; times in log lines and events are this machine's`
    return [new CorebusError('CLOCK_OFF', text)]
  }

  /** Before something is measured. Where the broker cannot be asked, what was known holds on, or our own clock. */
  async refresh(): Promise<void> {
    if (monotonic(this.#clock) - this.#askedAt >= FRESH_MS) await this.correct()
  }

  /** Asks now. Resolves with whether it is another time than was thought; never rejects. */
  async correct(): Promise<boolean> {
    this.#askedAt = monotonic(this.#clock)
    const stamp = await this.#ask().catch(() => -1)
    if (stamp < 0) return false
    const before = this.#ahead
    // Never too early: the broker's clock has gone on since it made the stamp.
    this.#ahead = stamp - monotonic(this.#clock)
    return Math.abs(this.#ahead - before) > MOVED_MS
  }
}
