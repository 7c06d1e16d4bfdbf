import type { DeadLetter, DeadLetterFilter, Message } from '../../driver.ts'

interface Letter extends DeadLetter {
  readonly expiresAt: number
}

/** The dead letters of one (topic, group), oldest first. */
export class DeadLetters {
  readonly #letters = new Set<Letter>()

  add(letter: DeadLetter, ttlMs: number): void {
    this.#dropExpired(letter.at)
    this.#letters.add({ ...letter, expiresAt: letter.at + ttlMs })
  }

  count(now: number): number {
    this.#dropExpired(now)
    return this.#letters.size
  }

  list(filter: DeadLetterFilter, now: number): readonly DeadLetter[] {
    return this.#matching(filter, now).map(({ message, group, place, at }) => ({ message, group, place, at }))
  }

  take(filter: DeadLetterFilter, now: number): readonly Message[] {
    const taken = this.#matching(filter, now)
    for (const letter of taken) this.#letters.delete(letter)
    return taken.map(({ message }) => message)
  }

  #matching(filter: DeadLetterFilter, now: number): readonly Letter[] {
    this.#dropExpired(now)
    const ids = filter.ids && new Set(filter.ids)
    return [...this.#letters].filter(
      ({ message, group, place }) =>
        (filter.topic ?? message.topic) === message.topic &&
        (filter.group ?? group) === group &&
        (filter.place ?? place) === place &&
        (ids?.has(message.id) ?? true),
    )
  }

  /** Oldest first, so that with the one ttl a place has the first to stay ends the search. */
  #dropExpired(now: number): void {
    for (const letter of this.#letters) {
      if (letter.expiresAt > now) return
      this.#letters.delete(letter)
    }
  }
}
