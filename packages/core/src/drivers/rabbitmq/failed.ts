import type { Letter } from './letter.ts'
import { Placed } from './letter-order.ts'

/**
 * Letters that a replay has failed with. They come again with each part that is read, and are known by what they say of themselves: of those that are
 * all the same as many are passed over as have failed.
 */
export class Failed {
  readonly #counts = new Map<string, number>()
  /** Passed over in the part that is read. */
  #passed = new Map<string, number>()

  add(letters: readonly Letter[]): void {
    for (const letter of letters) {
      const name = nameOf(letter)
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    }
  }

  /** A part is read from the head. */
  begin(): void {
    this.#passed = new Map()
  }

  /** Those of a page that have not failed. */
  without(letters: readonly Letter[]): readonly Letter[] {
    if (this.#counts.size === 0) return letters
    return letters.filter((letter) => {
      const name = nameOf(letter)
      const passed = this.#passed.get(name) ?? 0
      if (passed >= (this.#counts.get(name) ?? 0)) return true
      this.#passed.set(name, passed + 1)
      return false
    })
  }
}

function nameOf(letter: Letter): string {
  const { time, place, id, fingerprint } = new Placed(letter)
  return JSON.stringify([time, place, id, fingerprint])
}
