import type { DeadLetter, Message } from '../driver.ts'
import type { HandleRecord, SettleRecord } from '../observe/channels.ts'
import type { HandlerCall } from '../publish/middleware.ts'
import type { EventType } from '../wire/event-type.ts'
import type { Formats } from '../wire/topic-formats.ts'
import { type Read, readOf } from './read.ts'
import { Timeline } from './timeline.ts'
import { Unnamed } from './unnamed.ts'

/** The part of a message that is known wherever it is told of. */
export interface Told {
  readonly id: string
  readonly topic: string
  readonly key?: string
  /** The event's name, where it is one. */
  readonly event?: string
  /** The data of an event, as its handlers get it where the query names its type; the body of any other message. */
  readonly data: unknown
  readonly headers: Readonly<Record<string, string>>
  /** On the app's clock, ms since the epoch. */
  readonly at: number
}

export type PublishedMessage = Told

/** A call of a handler that came to its end well, and was committed. */
export interface HandledMessage extends Told {
  readonly group: string
  readonly attempt: number
  /** As errors name it: `OrderEvents.welcome`, or the function and its line. */
  readonly handler: string
}

/** A message that nobody in its group handles. */
export interface SkippedMessage extends Told {
  readonly group: string
}

export interface RetriedMessage extends Told {
  readonly group: string
  /** The attempt that failed. */
  readonly attempt: number
  readonly afterMs: number
  /** The error that the handler threw, or `RetryLater`. */
  readonly error: Error
}

export interface DeadMessage extends Told {
  readonly group: string
  readonly attempts: number
  /** As in `corebus-reason`: `failed`, `rejected`, `schema`, ... */
  readonly reason: string
  readonly error: Error
}

/** A type, or the name of a topic. */
export type Of = EventType<string, never> | EventType | string

type Kept<T extends Told> = Omit<T, 'data' | 'headers' | 'key'> & { readonly message: Message }

const keyOf = ({ group, topic, id }: { group?: string | undefined; topic: string; id: string }): string => `${group ?? ''}\0${topic}\0${id}`

/** The record of what has happened in one life of an instance: written down as it is told, and asked by tests. */
export class History {
  /** Counts whatever happens: while it stands still, nothing does. */
  moves = 0
  publishes = 0
  readonly timeline: Timeline = new Timeline()
  readonly #now: () => number
  readonly #formats: () => Formats | undefined
  readonly #messages = new Map<string, Message>()
  readonly #unnamed = new Unnamed()
  #published: Kept<PublishedMessage>[] = []
  #handled: (Kept<HandledMessage> & { readonly input: unknown })[] = []
  #skipped: Kept<SkippedMessage>[] = []
  #retries: Kept<RetriedMessage>[] = []
  #dead: Kept<DeadMessage>[] = []
  /** Calls that have begun and whose end is not told yet, in their order. */
  readonly #calls = new Map<string, HandlerCall[]>()
  readonly #errors = new Map<string, Error>()

  constructor({ now, formats }: { readonly now: () => number; readonly formats: () => Formats | undefined }) {
    this.#now = now
    this.#formats = formats
  }

  publish(message: Message): void {
    this.moves++
    this.publishes++
    const { id, topic } = message
    const event = message.event ?? readOf(message, undefined, this.#formats()).event
    if (id === '') this.#unnamed.add(message, event)
    else this.#messages.set(keyOf({ topic, id }), message)
    this.#published.push({ id, topic, ...(event !== undefined && { event }), at: this.#now(), message })
    this.#note('published', { topic, id, event })
  }

  call(call: HandlerCall): void {
    const key = keyOf(call.context)
    this.#know(call)
    this.#calls.set(key, [...(this.#calls.get(key) ?? []), call])
  }

  /** Notes a message that was published outside of this instance, which is known only by what its handler gets. */
  #know({ input, context: { id, topic, key, headers } }: HandlerCall): void {
    const place = keyOf({ topic, id })
    if (this.#messages.has(place)) return
    const body = new TextEncoder().encode(JSON.stringify(input) ?? '')
    this.#messages.set(place, { id, topic, headers, body, ...(key !== undefined && { key }) })
  }

  handle(record: HandleRecord): void {
    this.moves++
    const key = keyOf(record)
    const call = this.#calls.get(key)?.shift()
    if (this.#calls.get(key)?.length === 0) this.#calls.delete(key)
    const { group = '', attempt = 1, outcome, error } = record
    if (record.id === '' && attempt === 1) this.#unnamed.next(record)
    const kept = { ...this.#told(record), group, attempt }
    if (outcome === 'ok' && call) this.#handled.push({ ...kept, handler: call.handler, input: call.input })
    else if (outcome === 'skipped') this.#skipped.push(kept)
    if (error) this.#errors.set(key, error)
    this.#note(outcome === 'ok' ? 'handled' : outcome, record, error?.message)
  }

  settle(record: SettleRecord): void {
    this.moves++
    const key = keyOf(record)
    const error = this.#errors.get(key) ?? new Error('unknown')
    this.#errors.delete(key)
    const { group = '', attempt = 1, settlement, afterMs = 0, reason = '' } = record
    const kept = { ...this.#told(record), group }
    if (settlement === 'retry') this.#retries.push({ ...kept, attempt, afterMs, error })
    if (settlement === 'deadLetter') this.#dead.push({ ...kept, attempts: attempt, reason, error })
    if (settlement === 'retry') this.#note('retry', record, `attempt ${attempt + 1} in ${afterMs} ms`)
    else if (settlement !== 'ack') this.#note(settlement === 'drop' ? 'dropped' : 'dead letter', record, `${reason}: ${error.message}`)
  }

  /** Keeps the dead letters that are left once some were handed back or purged. */
  deadAreNow(letters: readonly DeadLetter[]): void {
    this.moves++
    const left = new Set(letters.map(({ group, message: { topic, id } }) => keyOf({ group, topic, id })))
    this.#dead = this.#dead.filter((one) => left.has(keyOf(one)))
  }

  published(of?: Of): PublishedMessage[] {
    return this.#of(this.#published, of).map((one) => this.#shown<PublishedMessage>(one, of))
  }

  handled(of?: Of, group?: string): HandledMessage[] {
    return this.#of(this.#handled, of, group).map(({ input, ...one }) => {
      const shown = this.#shown<HandledMessage>(one, undefined)
      return { ...shown, data: one.event === undefined ? input : (input as { readonly data: unknown }).data }
    })
  }

  skipped(of?: Of, group?: string): SkippedMessage[] {
    return this.#of(this.#skipped, of, group).map((one) => this.#shown<SkippedMessage>(one, of))
  }

  retries(of?: Of, group?: string): RetriedMessage[] {
    return this.#of(this.#retries, of, group).map((one) => this.#shown<RetriedMessage>(one, of))
  }

  dead(of?: Of, group?: string): DeadMessage[] {
    return this.#of(this.#dead, of, group).map((one) => this.#shown<DeadMessage>(one, of))
  }

  /** Forgets what was told. What is on its way is still known. */
  clear(): void {
    this.#published = []
    this.#handled = []
    this.#skipped = []
    this.#retries = []
    this.#dead = []
    this.timeline.clear()
  }

  #told(record: HandleRecord | SettleRecord): Pick<Told, 'id' | 'topic' | 'event' | 'at'> & { readonly message: Message } {
    const { id, topic, event } = record
    const known = id === '' ? this.#unnamed.of(record) : this.#messages.get(keyOf({ topic, id }))
    const message = known ?? { id, topic, headers: {}, body: new Uint8Array() }
    return { id, topic, ...(event !== undefined && { event }), at: this.#now(), message }
  }

  #of<T extends { readonly topic: string; readonly event?: string; readonly group?: string }>(
    all: readonly T[],
    of?: Of,
    group?: string,
  ): T[] {
    return all.filter(
      (one) =>
        (of === undefined || (typeof of === 'string' ? one.topic === of : one.event === of.name)) &&
        (group === undefined || one.group === group),
    )
  }

  #shown<T extends Told>({ message, ...one }: Kept<T>, of: Of | undefined): T {
    const { data }: Read = readOf(message, typeof of === 'object' ? (of as EventType) : undefined, this.#formats())
    const { key, headers } = message
    return { ...one, ...(key !== undefined && { key }), data, headers } as unknown as T // put together from its parts
  }

  #note(
    what: string,
    told: { topic: string; id: string; event?: string | undefined; group?: string; attempt?: number },
    more?: string,
  ): void {
    this.timeline.add(this.#now(), what, told, more)
  }
}
