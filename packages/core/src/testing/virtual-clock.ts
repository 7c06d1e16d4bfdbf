import { real } from '../clock.ts'
import type { Clock } from '../driver.ts'

interface Timer {
  readonly at: number
  readonly fn: () => void
}

/** The memory driver hands out and the runtime settles after I/O: a few turns of the loop, and everything that can happen now has happened. */
const TURNS = 20

/** Time that stands still until it is told to go on. */
export class VirtualClock implements Clock {
  /** A timer on this clock keeps no process alive: what waits on it is over when its test is. */
  readonly holds = false
  /** The next one last. Of those that are due together the first that was asked for comes first. */
  readonly #timers: Timer[] = []
  #now: number

  constructor(now: number = Date.UTC(2026, 1, 1, 12)) {
    this.#now = now
  }

  now: () => number = () => this.#now

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + Math.max(ms, 0), fn }
    this.#timers.splice(this.#place(timer.at), 0, timer)
    return () => {
      // Its equals lie behind the place where another one of its time would go.
      const at = this.#timers.indexOf(timer, this.#place(timer.at))
      if (at >= 0) this.#timers.splice(at, 1)
    }
  }

  /** When the next timer is due; undefined when nothing waits for time. */
  get nextAt(): number | undefined {
    return this.#timers.at(-1)?.at
  }

  /** Goes on to a time, without running what is due until then. Never back. */
  jump(to: number): void {
    this.#now = Math.max(this.#now, to)
  }

  /** Goes on to the next timer and runs it, without its consequences. */
  next(): void {
    const timer = this.#timers.pop()
    if (!timer) return
    this.jump(timer.at)
    timer.fn()
  }

  /** Lets happen what can happen without any time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => real.setImmediate(resolve))
  }

  /** Runs what is due within `ms`, in order, each with its consequences. */
  async advance(ms: number, settle: () => Promise<unknown> = () => this.settle()): Promise<void> {
    const end = this.#now + ms
    await settle()
    while (this.nextAt !== undefined && this.nextAt <= end) {
      this.next()
      await settle()
    }
    this.jump(end)
  }

  /** Returns where a timer of this time goes: before all that are due no later. */
  #place(at: number): number {
    let [from, to] = [0, this.#timers.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if ((this.#timers[middle] as Timer).at > at) from = middle + 1
      else to = middle
    }
    return from
  }
}
