import { type Clock, monotonic, sleep } from '../clock.ts'
import type { Settlement, Subscription } from '../driver.ts'
import { asError, SettleError } from '../errors.ts'

const FIRST_RETRY_MS = 200
const LONGEST_RETRY_MS = 10_000
/** A batch that takes longer holds up nobody: others go beside it, so many at most. */
const SLOW_MS = 200
const MOST_OUT = 8

export interface SettlerOptions {
  /** Deliveries may come, and be handled, before the subscription is there. */
  readonly subscription: () => Subscription | Promise<Subscription>
  readonly clock: Clock
  readonly onSettled: (settlements: readonly Settlement[]) => void
  /** The broker refuses it for good. Returns what is to be stored instead, or undefined when nothing is left to ask for: it is tried again with those that failed. */
  readonly onRefused: (settlement: Settlement, why: Error) => Settlement | undefined
  /** What could not be settled is tried again, told once per bad spell; or, while this ends, it is not. */
  readonly onTrouble: (error: Error, count: number, again: boolean) => void
}

/**
 * Collects settlements into batches. One batch is out at a time, and another when that takes long: one place that answers nothing must not hold
 * what goes elsewhere. What could not be stored stays unsettled and is tried again later, and what comes meanwhile does not wait for it.
 */
export class Settler {
  readonly #options: SettlerOptions
  readonly #closing = new AbortController()
  #waiting: Settlement[] = []
  #failed: Settlement[] = []
  #later: Promise<void> | undefined
  /** Batches that are out, and when the last of them began. */
  #out = 0
  #beganAt = 0
  #cancelLook: (() => void) | undefined
  #over = false
  #failures = 0
  #flushed: (() => void)[] = []

  constructor(options: SettlerOptions) {
    this.#options = options
  }

  settle(settlement: Settlement): void {
    this.#waiting.push(settlement)
    this.#start()
  }

  /** Resolves when all is settled; what fails now is given up and stays with the broker. */
  drain(): Promise<void> {
    this.#closing.abort()
    if (this.#out === 0 && !this.#later) return Promise.resolve()
    return new Promise((resolve) => this.#flushed.push(resolve))
  }

  /** From now on nothing is settled. What is out may be, and nobody knows: a driver that closes gives it back. */
  giveUp(): void {
    this.#over = true
    this.#closing.abort()
    this.#waiting = []
    this.#failed = []
  }

  #start(): void {
    if (this.#out > 0) {
      this.#cancelLook ??= this.#options.clock.after(SLOW_MS, () => this.#look())
      return
    }
    this.#begin()
  }

  #look(): void {
    this.#cancelLook = undefined
    if (this.#waiting.length === 0 || this.#over) return
    if (this.#out < MOST_OUT && monotonic(this.#options.clock) - this.#beganAt >= SLOW_MS) this.#begin()
    else this.#cancelLook = this.#options.clock.after(SLOW_MS, () => this.#look())
  }

  #begin(): void {
    this.#out++
    // Not a microtask: handlers that do not wait for anything all finish before it, and their settlements make one batch.
    setImmediate(() => {
      void this.#flush() // never rejects
    })
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      this.#beganAt = monotonic(this.#options.clock)
      try {
        await (await this.#options.subscription()).settle(batch)
        if (this.#over) break
        if (this.#failed.length === 0) this.#failures = 0
        this.#options.onSettled(batch)
      } catch (thrown) {
        if (this.#over) break
        this.#unstored(batch, asError(thrown))
      }
      // In the midst of many that do not wait for anything: the others of them go with the next batch.
      if (this.#waiting.length > 0) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    this.#out--
    this.#idle()
  }

  #idle(): void {
    if (this.#out > 0 || this.#later) return
    this.#cancelLook?.()
    this.#cancelLook = undefined
    for (const resolve of this.#flushed.splice(0)) resolve()
  }

  #unstored(batch: readonly Settlement[], error: Error): void {
    const { onSettled, onRefused, onTrouble } = this.#options
    const left = new Set(error instanceof SettleError ? error.deliveries : batch.map(({ delivery }) => delivery))
    if (left.size < batch.length) onSettled(batch.filter(({ delivery }) => !left.has(delivery)))
    const before = this.#failed.length
    for (const settlement of batch) {
      if (!left.has(settlement.delivery)) continue
      const why = error instanceof SettleError ? error.refused.get(settlement.delivery) : undefined
      const instead = why && onRefused(settlement, why)
      if (instead) this.#waiting.push(instead)
      else this.#failed.push(settlement)
    }
    if (this.#failed.length === before) return
    const again = !this.#closing.signal.aborted
    if (this.#failures++ === 0 || !again) onTrouble(error, this.#failed.length, again)
    if (again) this.#later ??= this.#again()
    else this.#failed = []
  }

  async #again(): Promise<void> {
    await sleep(this.#options.clock, Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), LONGEST_RETRY_MS), this.#closing.signal)
    this.#later = undefined
    this.#waiting = [...this.#failed, ...this.#waiting]
    this.#failed = []
    if (this.#waiting.length > 0) this.#start()
    this.#idle()
  }
}
