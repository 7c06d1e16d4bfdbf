import type { DeadLetter, Message } from '../../driver.ts'

export interface Letter extends DeadLetter {
  message: Message
  readonly expiresAt: number
  /** Where it stands among all letters of the broker, in the order they were stored. */
  readonly position: number
  /** It has left: handed back, deleted or expired. */
  isGone?: boolean
}

const FEWEST_HOLES = 64
/** This stands in the place of a message that has left: a letter may stay in its list long after that, and its body may be large. */
const NO_MESSAGE: Message = { id: '', topic: '', headers: {}, body: new Uint8Array() }

/** The dead letters of one (topic, group), oldest first. */
export class DeadLetters {
  /** The letters, and those that have left: these are taken out when they are half of the list. */
  #letters: Letter[] = []
  #holes = 0
  /** All before it have left. */
  #first = 0

  add(letter: Letter): void {
    this.#dropExpired(letter.at)
    this.#letters.push(letter)
  }

  count(now: number): number {
    this.#dropExpired(now)
    return this.#letters.length - this.#holes
  }

  /** Those behind a position that are there now and still are when their turn comes. */
  *behind(position: number, now: number): Iterable<Letter> {
    this.#dropExpired(now)
    const letters = this.#letters
    const end = letters.length
    for (let i = firstBehind(letters, position); i < end; i++) {
      const letter = letters[i] as Letter
      if (!letter.isGone && letter.expiresAt > now) yield letter
    }
  }

  remove(letter: Letter): void {
    if (letter.isGone) return
    letter.isGone = true
    letter.message = NO_MESSAGE
    this.#holes++
    if (this.#holes < FEWEST_HOLES || this.#holes * 2 < this.#letters.length) return
    // Another list: who goes through the letters has the old one.
    this.#letters = this.#letters.filter(({ isGone }) => !isGone)
    this.#holes = 0
    this.#first = 0
  }

  /** Oldest first, so that with the one ttl a place has the first to stay ends the search. */
  #dropExpired(now: number): void {
    for (let letter = this.#letters[this.#first]; letter; letter = this.#letters[this.#first]) {
      if (!letter.isGone && letter.expiresAt > now) return
      this.#first++
      this.remove(letter)
    }
  }
}

function firstBehind(letters: readonly Letter[], position: number): number {
  let [from, to] = [0, letters.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if ((letters[middle] as Letter).position > position) to = middle
    else from = middle + 1
  }
  return from
}
