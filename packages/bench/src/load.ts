/** Messages of `bytes` each, and how many. */
export interface Load {
  readonly bytes: number
  readonly count: number
}

export interface PublishLoad extends Load {
  readonly inFlight: number
}

/** Calls `send` for 0 to count - 1 with so many callers at once, each waiting for its confirm. Returns the ms it took. */
export async function publishAll(count: number, inFlight: number, send: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0
  const caller = async (): Promise<void> => {
    while (next < count) await send(next++)
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: inFlight }, caller))
  return performance.now() - startedAt
}

/** From the first message handled to the last: whatever a contestant does before the first is measured as its start, elsewhere. */
export class Handled {
  readonly #count: number
  readonly #over = Promise.withResolvers<number>()
  #handled = 0
  #startedAt = 0

  constructor(count: number) {
    this.#count = count
  }

  /** Resolves with the ms between the first and the last. */
  get all(): Promise<number> {
    return this.#over.promise
  }

  one(): void {
    if (this.#handled++ === 0) this.#startedAt = performance.now()
    if (this.#handled === this.#count) this.#over.resolve(performance.now() - this.#startedAt)
  }
}
