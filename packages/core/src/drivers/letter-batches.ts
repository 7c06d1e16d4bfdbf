import type { ReplayPace } from '../driver.ts'
import { asError, CorebusError } from '../errors.ts'

/** Done with at once where nobody asked for fewer: a place may hold more than fits into memory. */
export const LETTERS_AT_ONCE = 500

/** After so many failures without a success between them the next letters are not tried: each would wait for its time-out. */
const MOST_FAILURES = 10
/** Codes of what is wrong with one letter. It is refused at once, and says nothing about the next ones. */
const OF_THE_LETTER: ReadonlySet<string> = new Set(['TOO_LARGE', 'UNWRITABLE'])

/** Does something with letters, some at a time and at somebody's pace, and counts. A letter that it fails with keeps no other one from its turn. */
export class LetterBatches<L> {
  readonly #work: (letter: L) => Promise<boolean>
  readonly #pace: ReplayPace
  #count = 0
  /** Since the last success, without those that were the letters' own. */
  #failures = 0
  #isHopeless = false
  #failure: { readonly reason: unknown; readonly isOfPace: boolean } | undefined

  /** @param work resolves with false for a letter that was not there any more */
  constructor(work: (letter: L) => Promise<boolean>, pace: ReplayPace = {}) {
    this.#work = work
    this.#pace = pace
  }

  get atOnce(): number {
    return Math.min(this.#pace.atOnce ?? LETTERS_AT_ONCE, LETTERS_AT_ONCE)
  }

  /** Somebody sets the pace: a turn may take as long as it likes. */
  get isPaced(): boolean {
    return this.#pace.turn !== undefined
  }

  /**
   * No more letters are to be tried: ten have failed in a row, or all of several that went together, for reasons that are not their own; or the place
   * cannot be read, or whoever sets the pace has failed.
   */
  get isHopeless(): boolean {
    return this.#isHopeless
  }

  /**
   * @param stillThere asked before each part goes, after its turn: which of its letters are there still
   * @returns those that it is done with; the others stay where they are.
   */
  async run(letters: readonly L[], stillThere?: (part: readonly L[]) => Promise<readonly L[]>): Promise<readonly L[]> {
    const done: L[] = []
    for (let from = 0; from < letters.length && (await this.isNext()); from += this.atOnce) {
      const part = letters.slice(from, from + this.atOnce)
      done.push(...(await this.part(stillThere ? await stillThere(part) : part)))
    }
    return done
  }

  /** Awaits the turn of the next part. Resolves with false when there is none. */
  async isNext(): Promise<boolean> {
    if (this.#isHopeless) return false
    try {
      await this.#pace.turn?.()
    } catch (reason) {
      this.#stop(reason, true)
    }
    return !this.#isHopeless
  }

  /** Letters that go together, `atOnce` at most. @returns those that it is done with */
  async part(letters: readonly L[]): Promise<readonly L[]> {
    if (letters.length === 0) return letters
    const results = await Promise.allSettled(letters.map(this.#work))
    const done = letters.filter((_, i) => results[i]?.status === 'fulfilled')
    const reasons = results.flatMap((one): readonly unknown[] => (one.status === 'rejected' ? [one.reason] : []))
    this.#note(reasons, done.length > 0)
    const count = results.filter((one) => one.status === 'fulfilled' && one.value).length
    this.#count += count
    if (count > 0) this.#tell(count)
    return done
  }

  /** Counts what a reading of places hands to `run`, also where it breaks off: what is done is done. @throws as `counted` does */
  async through(reading: () => Promise<void>): Promise<number> {
    try {
      await reading()
    } catch (reason) {
      this.#stop(reason, false)
    }
    return this.counted()
  }

  /** How many it was. @throws why the first of those failed that did, with how many it was all the same */
  counted(): number {
    if (!this.#failure) return this.#count
    const { reason, isOfPace } = this.#failure
    // Whoever sets the pace was told of each part.
    throw isOfPace || this.#count === 0 ? reason : inSpiteOf(reason, this.#count)
  }

  #note(reasons: readonly unknown[], isAnyDone: boolean): void {
    if (reasons.length > 0) this.#failure ??= { reason: reasons[0], isOfPace: false }
    const others = reasons.filter((reason) => !isOfTheLetter(reason)).length
    this.#failures = isAnyDone ? 0 : this.#failures + others
    const haveAllFailed = !isAnyDone && reasons.length > 1 && others === reasons.length
    if (haveAllFailed || this.#failures >= MOST_FAILURES) this.#isHopeless = true
  }

  #tell(count: number): void {
    try {
      this.#pace.onReplayed?.(count)
    } catch (reason) {
      this.#stop(reason, true)
    }
  }

  #stop(reason: unknown, isOfPace: boolean): void {
    this.#failure ??= { reason, isOfPace }
    this.#isHopeless = true
  }
}

function isOfTheLetter(reason: unknown): boolean {
  return reason instanceof CorebusError && OF_THE_LETTER.has(reason.code)
}

function inSpiteOf(reason: unknown, count: number): CorebusError {
  const { message } = asError(reason)
  const others = count === 1 ? '1 other letter has gone' : `${count} other letters have gone`
  const text = `${message} (${others})`
  if (reason instanceof CorebusError) return new CorebusError(reason.code, text, { cause: reason })
  return new CorebusError('LETTERS', text, { cause: reason })
}
