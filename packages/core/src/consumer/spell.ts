const FIRST_RETRY_MS = 200
const LONGEST_RETRY_MS = 10_000

/**
 * Settlements that fail in one way, from the first failure until the last of them is stored. They are tried again together, later each time: what
 * succeeds beside them says nothing of them.
 */
export class Spell<T> {
  readonly #unstored = new Set<T>()
  #waiting: T[] = []
  #failures = 0

  /** How many wait to be tried again. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** @returns whether the spell begins with these. */
  failed(some: readonly T[]): boolean {
    for (const one of some) {
      this.#waiting.push(one)
      this.#unstored.add(one)
    }
    return this.#failures++ === 0
  }

  /** Until those that wait are tried again. */
  get waitMs(): number {
    return Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), LONGEST_RETRY_MS)
  }

  take(): readonly T[] {
    const taken = this.#waiting
    this.#waiting = []
    return taken
  }

  /** They are stored, or belong to another spell. */
  leave(some: readonly T[]): void {
    if (this.#unstored.size === 0) return
    for (const one of some) this.#unstored.delete(one)
    if (this.#unstored.size === 0) this.#failures = 0
  }
}
