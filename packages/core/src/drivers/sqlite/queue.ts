import type { CorebusError } from '../../errors.ts'
import type { Transaction } from './transaction.ts'

/** Something to be written. Runs again when the transaction it was part of could not commit. */
export interface Work {
  /** About how many rows it writes. */
  readonly rows: number
  /** When it is given up, in ms since the epoch. */
  readonly until: number
  run(tx: Transaction): void
  fail(error: CorebusError): void
}

/** What takes messages when there are some: asked in every transaction it has called `hungry` before. */
export interface Eater {
  eat(tx: Transaction): void
  trouble(error: CorebusError): void
}

/** Writing more at once would keep other processes, and this one's event loop, waiting. */
const ROWS_PER_TURN = 1_000

/** What waits to be written, in order. */
export class Queue {
  #works: Work[] = []

  get length(): number {
    return this.#works.length
  }

  push(work: Work): void {
    this.#works.push(work)
  }

  /** As many as go into one transaction. */
  take(): readonly Work[] {
    let rows = 0
    let count = 0
    for (const work of this.#works) {
      if (count > 0 && rows + work.rows > ROWS_PER_TURN) break
      rows += work.rows
      count++
    }
    return this.#works.splice(0, count)
  }

  putBack(works: readonly Work[]): void {
    this.#works.unshift(...works)
  }

  /** Gives up what has waited too long. */
  expire(now: number, why: () => CorebusError): void {
    if (!this.#works.some((work) => work.until <= now)) return
    const late = this.#works.filter((work) => work.until <= now)
    this.#works = this.#works.filter((work) => work.until > now)
    for (const work of late) work.fail(why())
  }

  failAll(error: CorebusError): void {
    for (const work of this.#works.splice(0)) work.fail(error)
  }
}
