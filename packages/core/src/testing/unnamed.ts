import type { Message } from '../driver.ts'

interface Told {
  readonly topic: string
  readonly event?: string | undefined
  readonly group?: string
}

const placeOf = ({ topic, event = '' }: Told): string => `${topic}\0${event}`
const readerOf = (told: Told): string => `${told.group}\0${placeOf(told)}`

/**
 * Messages without an id, as clients of others write them. What is told of one names its topic and its event: each group is taken to handle those of the
 * same name in their order.
 */
export class Unnamed {
  readonly #messages = new Map<string, Message[]>()
  /** How many of a name each group has begun with. */
  readonly #begun = new Map<string, number>()

  add(message: Message, event: string | undefined): void {
    const place = placeOf({ topic: message.topic, event })
    const messages = this.#messages.get(place) ?? []
    messages.push(message)
    this.#messages.set(place, messages)
  }

  /** The group begins with the next one. */
  next(told: Told): void {
    this.#begun.set(readerOf(told), (this.#begun.get(readerOf(told)) ?? 0) + 1)
  }

  /** The one that the group began with last. */
  of(told: Told): Message | undefined {
    return this.#messages.get(placeOf(told))?.[(this.#begun.get(readerOf(told)) ?? 1) - 1]
  }
}
