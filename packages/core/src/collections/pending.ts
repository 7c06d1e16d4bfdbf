import { type Clock, monotonic } from '../clock.ts'
import { type Linked, LinkedList } from './linked-list.ts'

/** What somebody waits for, until a deadline on the clock's monotonic time. */
export interface Awaited extends Linked {
  readonly deadline: number
  over: boolean
}

export interface PendingOptions<E> {
  readonly clock: Clock
  /** Their deadline has passed: they are to be ended now. */
  readonly onExpired: (entries: readonly E[]) => void
}

/** While many expire one after another, they are looked for so often. */
const LOOK_AT_MOST_EVERY_MS = 10
/** Node's timers may fire so much too early. */
const TIMER_EARLY_MS = 1

/**
 * Everything that is not over yet, in the order in which it came. One timer serves all of it, and is armed at most once a deadline and not once an
 * entry: it is left to fire when nothing is pending any more, because making and cancelling a timer for each of many short waits would cost more.
 */
export class Pending<E extends Awaited> {
  readonly #options: PendingOptions<E>
  readonly #list = new LinkedList<E>()
  #looksAt = Number.POSITIVE_INFINITY
  #cancel: (() => void) | undefined
  #resting: (() => void)[] = []

  constructor(options: PendingOptions<E>) {
    this.#options = options
  }

  get size(): number {
    return this.#list.size
  }

  /** The one that came first of those that are not over. */
  get first(): E | undefined {
    return this.#list.first
  }

  add(entry: E): void {
    this.#list.add(entry)
    if (entry.deadline < this.#looksAt) this.#lookAt(entry.deadline)
  }

  /** False when it was over before. */
  end(entry: E): boolean {
    if (entry.over) return false
    entry.over = true
    this.#list.remove(entry)
    if (this.#list.size === 0 && this.#resting.length > 0) for (const resolve of this.#resting.splice(0)) resolve()
    return true
  }

  /** Resolves when nothing is pending. */
  atRest(): Promise<void> {
    if (this.#list.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#resting.push(resolve))
  }

  /** Nothing expires from now on. */
  stop(): void {
    this.#cancel?.()
    this.#looksAt = Number.NEGATIVE_INFINITY
  }

  #lookAt(at: number): void {
    const { clock } = this.#options
    this.#cancel?.()
    this.#looksAt = at
    this.#cancel = clock.after(Math.max(at - monotonic(clock), 1), () => this.#look())
  }

  #look(): void {
    const { clock, onExpired } = this.#options
    const now = monotonic(clock)
    const expired: E[] = []
    let next = Number.POSITIVE_INFINITY
    for (const entry of this.#list) {
      if (entry.deadline <= now + TIMER_EARLY_MS) expired.push(entry)
      else if (entry.deadline < next) next = entry.deadline
    }
    this.#looksAt = Number.POSITIVE_INFINITY
    if (expired.length > 0) onExpired(expired)
    const soonest = expired.length > 0 ? now + LOOK_AT_MOST_EVERY_MS : now
    if (next < Number.POSITIVE_INFINITY) this.#lookAt(Math.max(next, soonest))
  }
}
