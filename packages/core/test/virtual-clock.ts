import type { Clock } from '../src/driver.ts'

interface Timer {
  readonly at: number
  readonly fn: () => void
}

const { setImmediate } = globalThis
/** The memory driver hands out and the runtime settles after I/O: a few turns of the loop, and everything that can happen now has happened. */
const TURNS = 20

/** Time that stands still until it is told to go on. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<Timer>()
  #now: number

  constructor(now: number = Date.UTC(2026, 1, 1, 12)) {
    this.#now = now
  }

  now: () => number = () => this.#now

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + Math.max(ms, 0), fn }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Lets happen what can happen without any time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /** Runs what is due within `ms`, in order, each with its consequences. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.settle()
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.fn()
      await this.settle()
    }
    this.#now = end
  }

  #next(end: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) if (timer.at <= end && (!next || timer.at < next.at)) next = timer
    return next
  }
}
