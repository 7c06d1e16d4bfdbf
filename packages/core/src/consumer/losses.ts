import type { Message } from '../driver.ts'

const MOST_REMEMBERED = 10_000

/** Hand-outs that ended by a loss this process lived through: the broker counts them as unsettled, and they are no crashes. */
export class Losses {
  /** By topic and id, the latest last. */
  readonly #counts = new Map<string, number>()

  add(message: Message): void {
    if (message.id === '') return // nothing to know it by
    const place = placeOf(message)
    const before = this.#counts.get(place) ?? 0
    this.#counts.delete(place)
    this.#counts.set(place, before + 1)
    if (this.#counts.size <= MOST_REMEMBERED) return
    const [oldest] = this.#counts.keys()
    if (oldest !== undefined) this.#counts.delete(oldest)
  }

  of(message: Message): number {
    return this.#counts.size === 0 ? 0 : (this.#counts.get(placeOf(message)) ?? 0)
  }

  forget(message: Message): void {
    if (this.#counts.size > 0) this.#counts.delete(placeOf(message))
  }
}

function placeOf({ topic, id }: Message): string {
  return `${topic}\0${id}`
}
