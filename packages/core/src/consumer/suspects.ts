import type { Work } from './work.ts'

/**
 * Messages that may end this process. One is here at a time: the others are given back before it begins, or they would be counted for what it
 * does, as those that came with it were.
 */
export class Suspects {
  #first: Work | undefined
  readonly #givenBack = new Set<Work>()
  /** Waits until all of them are with the broker. */
  #waits = false

  /** Whether it is the one that may stay. */
  isFirst(work: Work): boolean {
    this.#first ??= work
    return this.#first === work
  }

  giveBack(work: Work): void {
    work.givenBack = true
    this.#givenBack.add(work)
  }

  /** Those of them that need not wait. */
  mayBegin(works: readonly Work[]): readonly Work[] {
    const first = this.#first
    if (!first || this.#givenBack.size === 0 || !works.includes(first)) return works
    this.#waits = true
    return works.filter((work) => work !== first)
  }

  /** Settled or lost. Returns the one that may begin now. */
  over(work: Work): Work | undefined {
    if (work === this.#first) {
      this.#first = undefined
      this.#waits = false
    }
    this.#givenBack.delete(work)
    if (!this.#waits || this.#givenBack.size > 0) return undefined
    this.#waits = false
    return this.#first
  }
}
