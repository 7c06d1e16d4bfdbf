import type { ReplayPace } from '../driver.ts'

/** Done with at once where nobody asked for fewer: a place may hold more than fits into memory. */
export const LETTERS_AT_ONCE = 500

/** Does something with letters, some at a time and at somebody's pace, and counts. A letter that it fails with keeps no other one from its turn. */
export class LetterBatches<L> {
  readonly #work: (letter: L) => Promise<boolean>
  readonly #pace: ReplayPace
  #count = 0
  #isHopeless = false
  #failure: { readonly reason: unknown } | undefined

  /** @param work resolves with false for a letter that was not there any more */
  constructor(work: (letter: L) => Promise<boolean>, pace: ReplayPace = {}) {
    this.#work = work
    this.#pace = pace
  }

  get atOnce(): number {
    return Math.min(this.#pace.atOnce ?? LETTERS_AT_ONCE, LETTERS_AT_ONCE)
  }

  /** All of a batch have failed, and the next ones would too, each after its time-out; or whoever sets the pace has failed. */
  get isHopeless(): boolean {
    return this.#isHopeless
  }

  /** @returns those that it is done with; the others stay where they are. */
  async run(letters: readonly L[]): Promise<readonly L[]> {
    const done: L[] = []
    for (let from = 0; from < letters.length && (await this.#isNext()); from += this.atOnce)
      done.push(...(await this.#batch(letters.slice(from, from + this.atOnce))))
    return done
  }

  async #batch(letters: readonly L[]): Promise<readonly L[]> {
    const results = await Promise.allSettled(letters.map(this.#work))
    const done = letters.filter((_, i) => results[i]?.status === 'fulfilled')
    const failure = results.find((one) => one.status === 'rejected')
    if (failure) this.#failure ??= failure
    this.#isHopeless = done.length === 0
    const count = results.filter((one) => one.status === 'fulfilled' && one.value).length
    this.#count += count
    if (count > 0) this.#tell(count)
    return done
  }

  async #isNext(): Promise<boolean> {
    if (this.#isHopeless) return false
    try {
      await this.#pace.turn?.()
    } catch (reason) {
      this.#end(reason)
    }
    return !this.#isHopeless
  }

  #tell(count: number): void {
    try {
      this.#pace.onReplayed?.(count)
    } catch (reason) {
      this.#end(reason)
    }
  }

  /** What is done is done, also when whoever sets the pace fails. */
  #end(reason: unknown): void {
    this.#failure ??= { reason }
    this.#isHopeless = true
  }

  /** How many it was. @throws why the first of those failed that did */
  counted(): number {
    if (this.#failure) throw this.#failure.reason
    return this.#count
  }
}
