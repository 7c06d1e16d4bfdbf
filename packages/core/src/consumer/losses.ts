import { createHash } from 'node:crypto'
import type { Message } from '../driver.ts'

const MOST_REMEMBERED = 10_000

/** Hand-outs that ended by a loss this process lived through: the broker counts them as unsettled, and they are no crashes. */
export class Losses {
  /** By topic and id, the latest last. */
  readonly #counts = new Map<string, number>()

  add(message: Message): void {
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

  /** Of a message without an id nothing is forgotten: others that say the same may still come. */
  forget(message: Message): void {
    if (this.#counts.size > 0 && message.id !== '') this.#counts.delete(placeOf(message))
  }
}

/**
 * A foreign message may have no id: then it is known by what it says. Not known at all, a broker that restarts five times would make it a
 * crash. Of those that say the same the losses count for each; a real crash takes this record with its process, so it is found out all the same.
 */
function placeOf({ topic, id, key = '', body }: Message): string {
  return id === '' ? `${topic}\0\0${createHash('sha256').update(key).update('\0').update(body).digest('base64')}` : `${topic}\0${id}`
}
