import { randomUUID } from 'node:crypto'
import type { Clock } from '../../driver.ts'
import type { LetterLog } from './letter-log.ts'

/** Pages that follow one another, and what is known of the places that they go through. */
export interface Walk {
  /** The walks by the id in their cursors: another walk through the same places has logs of its own. */
  readonly id: string
  readonly logs: Map<string, LetterLog>
}

/** What is known of a place may take a few MB. A walk that is not known any more goes on all the same, and looks through its places again. */
const MOST_WALKS = 4
/** A walk need not come to its end: nobody may ask for its next page. */
const SILENT_MS = 5 * 60_000

/** The walks through dead letters that have a next page, the one that was asked last at the end. */
export class Walks {
  readonly #clock: Clock
  readonly #walks = new Map<string, { readonly walk: Walk; readonly clear: () => void }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** One that begins, without an id; or the one of a cursor. */
  of(id: string = randomUUID()): Walk {
    return this.#walks.get(id)?.walk ?? { id, logs: new Map() }
  }

  /** It has another page. */
  keep(walk: Walk): void {
    this.end(walk)
    this.#walks.set(walk.id, { walk, clear: this.#clock.after(SILENT_MS, () => this.#walks.delete(walk.id)) })
    const [first] = this.#walks.values()
    if (first && this.#walks.size > MOST_WALKS) this.end(first.walk)
  }

  end({ id }: Walk): void {
    this.#walks.get(id)?.clear()
    this.#walks.delete(id)
  }

  close(): void {
    for (const { walk } of this.#walks.values()) this.end(walk)
  }
}
