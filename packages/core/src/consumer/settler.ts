import { type Clock, sleep } from '../clock.ts'
import type { Settlement, Subscription } from '../driver.ts'
import { asError, SettleError } from '../errors.ts'

const FIRST_RETRY_MS = 200
const LONGEST_RETRY_MS = 10_000

export interface SettlerOptions {
  /** Deliveries may come, and be handled, before the subscription is there. */
  readonly subscription: () => Subscription | Promise<Subscription>
  readonly clock: Clock
  readonly onSettled: (settlements: readonly Settlement[]) => void
  /** What could not be settled is tried again, told once per bad spell; or, while this ends, it is not. */
  readonly onTrouble: (error: Error, count: number, again: boolean) => void
}

/** Collects settlements into batches. One batch is out at a time; what could not be stored stays unsettled and is tried again. */
export class Settler {
  readonly #options: SettlerOptions
  readonly #closing = new AbortController()
  #waiting: Settlement[] = []
  #busy = false
  #over = false
  #failures = 0
  #flushed: (() => void)[] = []

  constructor(options: SettlerOptions) {
    this.#options = options
  }

  settle(settlement: Settlement): void {
    this.#waiting.push(settlement)
    if (this.#busy) return
    this.#busy = true
    // Not a microtask: handlers that do not wait for anything all finish before it, and their settlements make one batch.
    setImmediate(() => {
      void this.#flush() // never rejects
    })
  }

  /** Resolves when all is settled; what fails now is given up and stays with the broker. */
  drain(): Promise<void> {
    this.#closing.abort()
    if (!this.#busy) return Promise.resolve()
    return new Promise((resolve) => this.#flushed.push(resolve))
  }

  /** From now on nothing is settled. What is out may be, and nobody knows: a driver that closes gives it back. */
  giveUp(): void {
    this.#over = true
    this.#closing.abort()
    this.#waiting = []
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        await (await this.#options.subscription()).settle(batch)
        if (this.#over) break
        this.#failures = 0
        this.#options.onSettled(batch)
      } catch (thrown) {
        if (this.#over) break
        const left = thrown instanceof SettleError ? unstored(batch, thrown) : batch
        if (left.length < batch.length) this.#options.onSettled(batch.filter((settlement) => !left.includes(settlement)))
        const again = !this.#closing.signal.aborted
        this.#waiting = [...left, ...this.#waiting]
        if (this.#failures++ === 0 || !again) this.#options.onTrouble(asError(thrown), again ? left.length : this.#waiting.length, again)
        if (!again) break
        await sleep(this.#options.clock, Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), LONGEST_RETRY_MS), this.#closing.signal)
      }
      // In the midst of many that do not wait for anything: the others of them go with the next batch.
      if (this.#waiting.length > 0) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    this.#busy = false
    for (const resolve of this.#flushed.splice(0)) resolve()
  }
}

function unstored(batch: readonly Settlement[], { deliveries }: SettleError): Settlement[] {
  const names = new Set(deliveries)
  return batch.filter((settlement) => names.has(settlement.delivery))
}
