import { monotonic } from '../../clock.ts'
import type { Clock } from '../../driver.ts'

interface Waiting<T> {
  readonly dueAt: number
  /** Equal due times come back in the order they were added. */
  readonly turn: number
  readonly item: T
}

/** What comes back later, on one clock: a heap, and one timer for whatever is due next. */
export class Delays<T> {
  readonly #clock: Clock
  readonly #onDue: (item: T) => void
  readonly #heap: Waiting<T>[] = []
  #turn = 0
  #timerDueAt = Number.POSITIVE_INFINITY
  #cancelTimer: () => void = () => {}

  constructor(clock: Clock, onDue: (item: T) => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  add(item: T, afterMs: number): void {
    const waiting = { dueAt: monotonic(this.#clock) + afterMs, turn: this.#turn++, item }
    this.#heap.push(waiting)
    this.#rise(this.#heap.length - 1)
    this.#arm()
  }

  /** Takes out what does not come back. */
  remove(isGone: (item: T) => boolean): void {
    const left = this.#heap.filter(({ item }) => !isGone(item))
    this.#heap.length = 0
    for (const waiting of left) {
      this.#heap.push(waiting)
      this.#rise(this.#heap.length - 1)
    }
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const { item } of this.#heap) yield item
  }

  #arm(): void {
    const next = this.#heap[0]
    if (!next || next.dueAt >= this.#timerDueAt) return
    this.#cancelTimer()
    this.#timerDueAt = next.dueAt
    // At least 1 ms: a timer may fire a fraction early, and nothing may come back before its time.
    this.#cancelTimer = this.#clock.after(Math.max(next.dueAt - monotonic(this.#clock), 1), () => {
      this.#timerDueAt = Number.POSITIVE_INFINITY
      const now = monotonic(this.#clock)
      while (this.#heap[0] && this.#heap[0].dueAt <= now) this.#onDue(this.#takeFirst().item)
      this.#arm()
    })
  }

  #takeFirst(): Waiting<T> {
    const first = this.#heap[0] as Waiting<T>
    const last = this.#heap.pop() as Waiting<T>
    if (this.#heap.length > 0) {
      this.#heap[0] = last
      this.#sink()
    }
    return first
  }

  #before(a: number, b: number): boolean {
    const one = this.#heap[a] as Waiting<T>
    const other = this.#heap[b] as Waiting<T>
    return one.dueAt < other.dueAt || (one.dueAt === other.dueAt && one.turn < other.turn)
  }

  #swap(a: number, b: number): void {
    const kept = this.#heap[a] as Waiting<T>
    this.#heap[a] = this.#heap[b] as Waiting<T>
    this.#heap[b] = kept
  }

  #rise(at: number): void {
    for (let child = at; child > 0; ) {
      const parent = (child - 1) >> 1
      if (!this.#before(child, parent)) return
      this.#swap(child, parent)
      child = parent
    }
  }

  #sink(): void {
    for (let parent = 0; ; ) {
      let child = 2 * parent + 1
      if (child >= this.#heap.length) return
      if (child + 1 < this.#heap.length && this.#before(child + 1, child)) child++
      if (!this.#before(child, parent)) return
      this.#swap(child, parent)
      parent = child
    }
  }
}
