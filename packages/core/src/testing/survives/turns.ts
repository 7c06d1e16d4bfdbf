import { real } from '../../clock.ts'

/** So many turns of the loop, and whoever can come to its turn has come. */
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

/** Mulberry32: from 0 to below 1, the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
