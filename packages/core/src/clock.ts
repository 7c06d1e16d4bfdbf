import { performance } from 'node:perf_hooks'
import * as timers from 'node:timers'
import type { Clock } from './driver.ts'

export type { Clock } from './driver.ts'

// setTimeout fires at once when asked for more than 2^31-1 ms.
const LONGEST_TIMER_MS = 2_147_483_647
const LOOK_FOR_REAL_TIMERS_MS = 20

/** Fake timers that were there before us (Vitest, Jest, Sinon: one library) keep what they stand for beside them. */
function unfaked<T extends object>(name: string, found: T): T {
  const { clock } = found as { clock?: Record<string, T | undefined> }
  return clock?.[`_${name}`] ?? found
}

type Timers = 'setTimeout' | 'clearTimeout' | 'setInterval' | 'clearInterval' | 'setImmediate' | 'queueMicrotask'

interface Real extends Pick<typeof globalThis, Timers> {
  /** Ms, for durations. */
  now(): number
}

/** What instruments a process (an APM agent) may have wrapped the timers before us: those are as real as ours. */
const loadedSetTimeout = unfaked('setTimeout', globalThis.setTimeout)
const loadedDate = globalThis.Date
// The real `now` is that of the prototype: a fake one lies on the object, or in an object of its own that has no prototype. (Bun's node:perf_hooks has none with it.)
const [measured, performanceNow] = [globalThis.performance, performance]
  .map((one) => [one, (Object.getPrototypeOf(one) as typeof performance | null)?.now] as const)
  .find((found): found is readonly [typeof performance, typeof performance.now] => typeof found[1] === 'function') ?? [
  performance,
  performance.now,
]

/**
 * What keeps the runtime going, as it was when the package was loaded: a test's fake timers must not stop the process. Only what models time
 * (retries, time-outs of handlers) asks the globals of the moment, through `systemClock`.
 */
export const real: Real = {
  // Fake timers reach those of node:timers later than the globals, or never.
  setTimeout: unfaked('setTimeout', timers.setTimeout),
  clearTimeout: unfaked('clearTimeout', timers.clearTimeout),
  setInterval: unfaked('setInterval', timers.setInterval),
  clearInterval: unfaked('clearInterval', timers.clearInterval),
  setImmediate: unfaked('setImmediate', timers.setImmediate),
  queueMicrotask: unfaked('queueMicrotask', globalThis.queueMicrotask),
  now: () => performanceNow.call(measured),
}

/**
 * The time of day and the timers of the moment: fake ones where a test has put those in place. What waits on fake timers that are taken away
 * begins anew on what stands in their place.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: steadily(() => {
    if (globalThis.performance.now !== performanceNow) return globalThis.performance.now
    // Node's own fake timers, and those told to leave `performance` alone: their time of day moves, and nothing else. Without fake timers a fake
    // Date is no clock: it may stand still for ever.
    return areFaked() && globalThis.Date !== loadedDate ? Date.now : real.now
  }),
  after: (ms, fn) => (areFaked() ? afterOnFake(ms, fn) : armed(ms, fn)),
}

function armed(ms: number, fn: () => void): () => void {
  // Cleared by the one that belongs to it, whatever stands there by then.
  const { setTimeout, clearTimeout } = globalThis
  const timer = setTimeout(fn, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS)) as NodeJS.Timeout | number
  // A browser's timer, as in a test's DOM, is a number.
  if (typeof timer === 'object') timer.unref()
  return () => clearTimeout(timer)
}

/** Time that no test stands still: for what the runtime waits for itself, such as a publish, a close or a broker that is away. */
const runtimeClock: Clock = {
  now: systemClock.now,
  monotonic: real.now,
  after(ms, fn) {
    const timer = real.setTimeout(fn, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS))
    timer.unref()
    return () => real.clearTimeout(timer)
  },
}

/** The clock for what the runtime waits for itself. A clock that was given is that for everything. */
export const runtimeOf = (clock: Clock): Clock => (clock === systemClock ? runtimeClock : clock)

function areFaked(): boolean {
  const { setTimeout } = globalThis
  return setTimeout !== real.setTimeout && setTimeout !== loadedSetTimeout
}

/** Goes on from where it was when its source changes: what is due in a second must not be due in fifty years, or since. */
function steadily(sourceNow: () => () => number): () => number {
  let source = sourceNow()
  let offset = 0
  let last = 0
  return () => {
    const current = sourceNow()
    const read = current.call(globalThis.performance)
    if (current !== source) {
      offset = last - read
      source = current
    }
    last = offset + read
    return last
  }
}

interface OnFake {
  readonly setTimeout: typeof globalThis.setTimeout
  readonly again: () => void
}

const onFake = new Set<OnFake>()
let looking: NodeJS.Timeout | undefined

/** Nobody tells when fake timers are taken away, and what waited on them is lost: that is looked for, while something waits. */
function afterOnFake(ms: number, fn: () => void): () => void {
  let cancel = armed(ms, () => {
    onFake.delete(waiting)
    fn()
  })
  const waiting: OnFake = {
    setTimeout: globalThis.setTimeout,
    again: () => {
      cancel = systemClock.after(ms, fn)
    },
  }
  onFake.add(waiting)
  looking ??= real.setInterval(lookForReal, LOOK_FOR_REAL_TIMERS_MS).unref()
  return () => {
    onFake.delete(waiting)
    cancel()
  }
}

function lookForReal(): void {
  for (const waiting of [...onFake])
    if (waiting.setTimeout !== globalThis.setTimeout) {
      onFake.delete(waiting)
      waiting.again()
    }
  if (onFake.size > 0) return
  real.clearInterval(looking)
  looking = undefined
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
  readonly #timer = real.setInterval(() => {}, LONGEST_TIMER_MS)
  readonly #holds: boolean

  /** `clock` is that of what is owed: where it keeps no process alive, nothing that waits on it does. */
  constructor(clock?: Clock) {
    this.#holds = clock?.holds ?? true
    this.#timer.unref()
  }

  on(): void {
    if (this.#holds) this.#timer.ref()
  }

  off(): void {
    this.#timer.unref()
  }

  end(): void {
    real.clearInterval(this.#timer)
  }
}
