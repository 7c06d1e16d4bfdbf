import type { Verdict } from './outcome.ts'

export interface Rates {
  readonly handled: number
  readonly failed: number
  readonly dead: number
}

const SPANS = 6

/** What a group has done here in the last minute, in spans of 10 s: whoever tells of it turns to the next one. */
export class Minute {
  readonly #before: Rates[] = []
  handled = 0
  failed = 0
  dead = 0

  count({ kind }: Verdict): void {
    if (kind === 'ok' || kind === 'duplicate') this.handled++
    else if (kind === 'failed' || kind === 'hopeless') this.failed++
  }

  turn(): Rates {
    this.#before.push({ handled: this.handled, failed: this.failed, dead: this.dead })
    if (this.#before.length > SPANS) this.#before.shift()
    this.handled = 0
    this.failed = 0
    this.dead = 0
    return this.#before.reduce((sum, one) => ({
      handled: sum.handled + one.handled,
      failed: sum.failed + one.failed,
      dead: sum.dead + one.dead,
    }))
  }
}
