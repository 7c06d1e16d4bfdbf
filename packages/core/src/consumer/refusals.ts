import type { Settlement } from '../driver.ts'
import type { Observer } from '../observe/observer.ts'
import type { Decisions } from './decisions.ts'
import { reportRefusal } from './report.ts'
import type { Work } from './work.ts'

export interface RefusalsOptions {
  readonly group: string
  readonly decisions: Decisions
  readonly observer: Observer
  /** `unstorable` has changed. */
  readonly onChange: () => void
}

/** What the broker refuses to store for good: each in a smaller form, until it is taken or nothing smaller is left. */
export class Refusals {
  readonly #options: RefusalsOptions
  readonly #unstorable = new Set<Work>()

  constructor(options: RefusalsOptions) {
    this.#options = options
  }

  /** How many cannot be settled in any form. */
  get unstorable(): number {
    return this.#unstorable.size
  }

  /** What is stored instead; undefined when nothing is left to ask for, and of what was lost meanwhile. */
  instead(work: Work | undefined, why: Error): Settlement | undefined {
    if (!work?.outcome) return undefined
    const { group, decisions, observer, onChange } = this.#options
    const less = decisions.afterRefusal(work, work.outcome, why)
    reportRefusal(observer, group, work, less, why)
    if (less) {
      work.outcome = less
      return less.settlement
    }
    work.unstorable = why
    this.#unstorable.add(work)
    onChange()
    return undefined
  }

  /** It is settled after all, or was taken from this process. */
  over(work: Work): void {
    if (this.#unstorable.delete(work)) this.#options.onChange()
  }
}
