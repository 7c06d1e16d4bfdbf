import { createHash } from 'node:crypto'
import type { Delivery, Message } from '../driver.ts'

const MOST_REMEMBERED = 10_000

/** Hand-outs that ended by a loss this process lived through: the broker counts them as unsettled, and they are no crashes. */
export class Losses {
  /** By topic and id, the latest last. */
  readonly #counts = new Map<string, number>()
  #sawOutage = false
  /** Given one since the last outage. */
  readonly #chances = new Set<string>()

  /** The broker was away. */
  outage(): void {
    this.#sawOutage = true
    this.#chances.clear()
  }

  /**
   * Whether a message that seems to have ended so many processes is handled once more, alone. The other members lose what they have when the
   * broker is away, too, and what was on its way to us we never saw: the broker counts both, and no process knows of all of it. So one that
   * saw it go away gives each message one chance per outage, and counts from there. A message that does end processes ends this one, and its
   * record: it costs each such member one life at most.
   */
  chance({ message, unsettledBefore }: Delivery): boolean {
    const place = placeOf(message)
    // One that could not be noted would be given its chance again and again.
    if (!this.#sawOutage || this.#chances.has(place) || this.#chances.size >= MOST_REMEMBERED) return false
    this.#chances.add(place)
    this.#remember(place, unsettledBefore)
    return true
  }

  add(message: Message): void {
    const place = placeOf(message)
    this.#remember(place, (this.#counts.get(place) ?? 0) + 1)
  }

  #remember(place: string, count: number): void {
    this.#counts.delete(place)
    this.#counts.set(place, count)
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
