/** What was read of options, environment or registrations, and all that is wrong with it, a line each. Whoever has lines does not use the value. */
export interface Reading<T> {
  readonly value: T
  readonly mistakes: readonly string[]
}

export const read = <T>(value: T): Reading<T> => ({ value, mistakes: [] })

/** There is nothing to be had, for this reason. */
export const wrong = (mistake: string): Reading<undefined> => ({ value: undefined, mistakes: [mistake] })

/** Goes on after a mistake, so that all are told at once: what one function finds wrong, in the order in which it looks. */
export class Mistakes {
  readonly #found: string[] = []

  /** The value of a reading; what is wrong with it is kept. */
  of<T>({ value, mistakes }: Reading<T>): T {
    this.add(...mistakes)
    return value
  }

  add(...mistakes: readonly string[]): void {
    this.#found.push(...mistakes)
  }

  get all(): readonly string[] {
    return this.#found
  }

  /** The result of who has looked. */
  with<T>(value: T): Reading<T> {
    return { value, mistakes: this.#found }
  }
}
