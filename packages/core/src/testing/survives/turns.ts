import { real } from '../../clock.ts'
import { randomOf } from '../conformance/chaos/random.ts'

/** Turns of the loop after which whoever can come to its turn has come. */
const STILL_TURNS = 5

/** Lets the calls of runs that go on at once go on one by one, in an order that a seed decides. */
export class Turns {
  readonly #random: () => number
  readonly #waiting: (() => void)[] = []
  #isGivingTurns = false

  constructor(seed: number) {
    this.#random = randomOf(seed)
  }

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    if (!this.#isGivingTurns) void this.#giveTurns() // never rejects
    return promise
  }

  async #giveTurns(): Promise<void> {
    this.#isGivingTurns = true
    while (this.#waiting.length > 0) {
      for (let turn = 0; turn < STILL_TURNS; turn++) await new Promise<void>((resolve) => real.setImmediate(resolve))
      const [goOn] = this.#waiting.splice(Math.floor(this.#random() * this.#waiting.length), 1)
      goOn?.()
    }
    this.#isGivingTurns = false
  }
}
