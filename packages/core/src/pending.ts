import { type Clock, monotonic } from './clock.ts'

/** What somebody waits for, until a deadline on the clock's monotonic time. */
export interface Awaited {
  readonly deadline: number
  over: boolean
  /** Its neighbours while it is pending. */
  previous: Awaited | undefined
  next: Awaited | undefined
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
 * Everything that is not over yet, in the order in which it came. It is a list of neighbours because a Set costs more: its outgrown tables keep what
 * was in them alive until the next full garbage collection. One timer serves all of it, and is armed at most once a deadline and not once an
 * entry: it is left to fire when nothing is pending any more, because making and cancelling a timer for each of many short waits would cost more.
 */
export class Pending<E extends Awaited> {
  readonly #options: PendingOptions<E>
  #first: E | undefined
  #last: E | undefined
  #size = 0
  #looksAt = Number.POSITIVE_INFINITY
  #cancel: (() => void) | undefined
  #resting: (() => void)[] = []

  constructor(options: PendingOptions<E>) {
    this.#options = options
  }

  get size(): number {
    return this.#size
  }

  /** The one that came first of those that are not over. */
  get first(): E | undefined {
    return this.#first
  }

  add(entry: E): void {
    entry.previous = this.#last
    if (this.#last) this.#last.next = entry
    else this.#first = entry
    this.#last = entry
    this.#size++
    if (entry.deadline < this.#looksAt) this.#lookAt(entry.deadline)
  }

  /** False when it was over before. */
  end(entry: E): boolean {
    if (entry.over) return false
    entry.over = true
    this.#remove(entry)
    if (this.#size === 0 && this.#resting.length > 0) for (const resolve of this.#resting.splice(0)) resolve()
    return true
  }

  /** Resolves when nothing is pending. */
  atRest(): Promise<void> {
    if (this.#size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#resting.push(resolve))
  }

  /** Nothing expires from now on. */
  stop(): void {
    this.#cancel?.()
    this.#looksAt = Number.NEGATIVE_INFINITY
  }

  #remove(entry: E): void {
    const { previous, next } = entry
    if (previous) previous.next = next
    else this.#first = next as E | undefined
    if (next) next.previous = previous
    else this.#last = previous as E | undefined
    // It may live on, and must not keep its neighbours.
    entry.previous = undefined
    entry.next = undefined
    this.#size--
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
    for (let entry = this.#first; entry; entry = entry.next as E | undefined) {
      if (entry.deadline <= now + TIMER_EARLY_MS) expired.push(entry)
      else if (entry.deadline < next) next = entry.deadline
    }
    this.#looksAt = Number.POSITIVE_INFINITY
    if (expired.length > 0) onExpired(expired)
    const soonest = expired.length > 0 ? now + LOOK_AT_MOST_EVERY_MS : now
    if (next < Number.POSITIVE_INFINITY) this.#lookAt(Math.max(next, soonest))
  }
}
