import { type Clock, monotonic, runtimeOf } from '../clock.ts'
import { CorebusError } from '../errors.ts'
import type { Loop, Running, Work } from './work.ts'

export interface DeadlinesOptions {
  readonly clock: Clock
  readonly running: Running
  readonly handlerTimeoutMs: number
  readonly abortGraceMs: number
  /** It ran on through the grace after its signal: it cannot be stopped any more. */
  readonly onStuck: (work: Work) => void
}

const TICK_MS = 250

/**
 * Looks at all running handlers with one coarse timer: a timer for each message would cost more than the rest of the runtime. What counts is how long
 * a handler ran, and not how late it is: a tick that comes late counts as two ticks at most, because the process or its event loop stood still, and a
 * handler must have its signal and its grace before it is called stuck.
 *
 * The time of a handler begins with its session. While it waits for that, in a line that moves, none of it passes: on a file of SQLite ten handlers
 * have one after the other what is each one's time. Where no handler of the group gets its session it counts, since a pool that gives none is found
 * out by nobody else; and by a grace longer, so that a handler in front which takes too long is the first that is told.
 */
export class Deadlines implements Loop {
  readonly #options: DeadlinesOptions
  readonly #everyMs: number
  #cancel: (() => void) | undefined
  #tickedAt = 0
  #turnedAt = 0
  /** Since the last tick. */
  #moved = false

  constructor(options: DeadlinesOptions) {
    this.#options = options
    this.#everyMs = Math.min(TICK_MS, Math.max(options.handlerTimeoutMs / 5, 10))
  }

  /** Goes on by itself for as long as something runs. */
  watch(): void {
    if (!this.#cancel) this.#tick()
  }

  stop(): void {
    this.#cancel?.()
  }

  moved(): void {
    this.#moved = true
  }

  get handlerTimeoutMs(): number {
    return this.#options.handlerTimeoutMs
  }

  /**
   * How long the loop has stood still, which is the time since the last tick. What runs beside a handler that blocks may be called to account with it. The
   * clock that models time may be set by a test, and that of the machine goes on while a test lets no tick come: both must say so.
   */
  stoodStillFor({ runningSince }: Pick<Work, 'runningSince'>): number {
    const { clock } = this.#options
    const now = monotonic(clock)
    const modelled = now - Math.max(this.#tickedAt, runningSince ?? now)
    if (modelled <= 2 * this.#everyMs) return 0
    const stillMs = Math.min(modelled, monotonic(runtimeOf(clock)) - this.#turnedAt)
    return stillMs > 2 * this.#everyMs && !isDebugged() ? stillMs : 0
  }

  #tick(): void {
    const { clock, running } = this.#options
    const now = monotonic(clock)
    const passedMs = Math.min(now - this.#tickedAt, 2 * this.#everyMs)
    this.#tickedAt = now
    this.#turnedAt = monotonic(runtimeOf(clock))
    for (const work of running) {
      if (work.waiting && this.#moved) work.ranMs = 0
      else this.#check(work, Math.min(passedMs, now - (work.runningSince ?? now)))
    }
    this.#moved = false
    this.#cancel = clock.after(this.#everyMs, () => {
      this.#cancel = undefined
      if (running.size > 0) this.#tick()
    })
  }

  #check(work: Work, ranMs: number): void {
    const { handlerTimeoutMs, abortGraceMs, onStuck } = this.#options
    work.ranMs += ranMs
    const limitMs = work.waiting ? handlerTimeoutMs + abortGraceMs : handlerTimeoutMs
    if (!work.timedOut && work.ranMs >= limitMs) {
      work.timedOut = true
      const what = work.waiting ? 'has waited for its session' : 'has run'
      work.abort(new CorebusError('HANDLER_TIMEOUT', `the handler ${what} for ${limitMs} ms (handlerTimeoutMs)`))
    }
    if (work.timedOut && !work.stuck && work.ranMs >= limitMs + abortGraceMs) {
      work.stuck = true
      onStuck(work)
    }
  }
}

/** Whoever stops at a breakpoint keeps the loop from turning too, and that is no fault of the handler. */
function isDebugged(): boolean {
  try {
    return process.getBuiltinModule('node:inspector').url() !== undefined
  } catch {
    return false // a Node without an inspector
  }
}
