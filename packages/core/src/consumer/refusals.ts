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

  /** Whether something else is to be stored instead: nothing of what was lost meanwhile, or where nothing is left to ask for. */
  instead(work: Work, why: Error): boolean {
    if (!work.outcome || work.lost) return false
    const { group, decisions, observer, onChange } = this.#options
    const less = decisions.afterRefusal(work, work.outcome, why)
    reportRefusal(observer, group, work, less, why)
    if (less) {
      work.outcome = less
      return true
    }
    work.unstorable = why
    this.#unstorable.add(work)
    onChange()
    return false
  }

  /** It is settled after all, or was taken from this process. */
  over(work: Work): void {
    if (this.#unstorable.delete(work)) this.#options.onChange()
  }
}
