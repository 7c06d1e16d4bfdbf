import type { Clock } from './driver.ts'

export type { Clock } from './driver.ts'

// setTimeout fires at once when asked for more than 2^31-1 ms.
const LONGEST_TIMER_MS = 2_147_483_647

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS))
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/**
 * The time that durations and deadlines are measured on. The time of day cannot be used for them: the clock of a machine may be set by hours while a
 * process runs, and a machine that was suspended wakes up with another time.
 */
export function monotonic(clock: Clock): number {
  return clock.monotonic?.() ?? clock.now()
}

/** Resolves after `ms`, or at once when `signal` aborts; never rejects. Does not keep the process alive. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    // A timer that never ends would be one that ends at once, for `setTimeout` and for clocks made of it.
    const cancel = ms === Number.POSITIVE_INFINITY ? () => {} : clock.after(ms, done)
    signal?.addEventListener('abort', done, { once: true })
  })
}

/** Keeps the process alive while `work` is under way: what is awaited must come to its end, also when all that is left of it is a timer. */
export async function held<T>(work: () => Promise<T>): Promise<T> {
  const hold = new Hold()
  hold.on()
  try {
    return await work()
  } finally {
    hold.end()
  }
}

/** Keeps the process alive while something it owes is outstanding: a clock's timers alone do not. */
export class Hold {
  readonly #timer = setInterval(() => {}, LONGEST_TIMER_MS)

  constructor() {
    this.#timer.unref()
  }

  on(): void {
    this.#timer.ref()
  }

  off(): void {
    this.#timer.unref()
  }

  end(): void {
    clearInterval(this.#timer)
  }
}
