import type { Clock } from '../../clock.ts'
import type { ExchangeSource, QueueSource } from '../../driver.ts'
import { type Declarer, registryStream } from './declare.ts'

/** One line of what was declared on this broker. */
export type Entry =
  | { readonly kind: 'topic'; readonly topic: string }
  | { readonly kind: 'group'; readonly topic: string; readonly group: string; readonly place?: Place; readonly source?: OurSource }
  /** Its queue is bound to the topic: with `by` to the exchange behind it, without to the topic itself, as the builds before this one did it. */
  | { readonly kind: 'bound'; readonly topic: string; readonly group: string; readonly by?: 'groups' }
  | BindEntry
  /** With `by` it is bound to the exchange of all delays, without to one of its own, as the builds before this one did it. */
  | { readonly kind: 'delay'; readonly ms: number; readonly by?: 'header' }

/** The group's queue is bound to an exchange of others, or once was. */
export interface BindEntry {
  readonly kind: 'bind'
  readonly topic: string
  readonly group: string
  readonly exchange: string
  readonly key: string
  readonly arguments?: ExchangeSource['arguments']
}

/** Those there are on RabbitMQ. */
export type OurSource = ExchangeSource | QueueSource

export type GroupEntry = Extract<Entry, { kind: 'group' }>

export interface Place {
  /** In full. */
  readonly name: string
  /** Others may have letters there. */
  readonly shared: boolean
  readonly ttlMs?: number
}

export interface RegistryOptions {
  readonly declarer: Declarer
  readonly queue: string
  readonly clock: Clock
  readonly append: (body: Buffer) => Promise<void>
}

/** A stream gives what it has at once: this long nothing comes only from one that has none. */
const WITHIN_MS = 1_000
/** Asked for its last entry it gives those written together with it. */
const NEXT_WITHIN_MS = 30
const PREFETCH = 1_000
const KINDS = ['topic', 'group', 'bound', 'bind', 'delay']

/**
 * What topics, groups and delays there are, written down in a stream: AMQP cannot list anything, and a stream is read without taking from it.
 * Nothing is ever removed; whether a thing still exists the broker is asked.
 */
export class Registry {
  readonly #options: RegistryOptions
  /** In the order they were written. */
  readonly #entries = new Map<string, Entry>()
  #next = 0
  #reading: Promise<void> | undefined

  constructor(options: RegistryOptions) {
    this.#options = options
  }

  /** As last read, in the order they were written. */
  get known(): readonly Entry[] {
    return [...this.#entries.values()]
  }

  /** As last read. */
  has(entry: Entry): boolean {
    return this.#entries.has(JSON.stringify(entry))
  }

  /** Everything written so far. */
  async entries(): Promise<readonly Entry[]> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
    return [...this.#entries.values()]
  }

  async add(entries: readonly Entry[]): Promise<void> {
    const fresh = entries.filter((entry) => !this.has(entry))
    if (fresh.length === 0) return
    await this.#options.declarer.run((channel) => channel.assertQueue(this.#options.queue, registryStream))
    for (const entry of fresh) await this.#options.append(Buffer.from(JSON.stringify(entry)))
    for (const entry of fresh) this.#remember(entry)
  }

  /** Writes down again what a group says of itself, where its latest word is another: the latest counts. */
  async renew(entries: readonly GroupEntry[]): Promise<void> {
    const stale = entries.filter((entry) => {
      const latest = this.known.findLast((one) => one.kind === 'group' && one.topic === entry.topic && one.group === entry.group)
      return latest && JSON.stringify(latest) !== JSON.stringify(entry)
    })
    for (const entry of stale) {
      await this.#options.append(Buffer.from(JSON.stringify(entry)))
      this.#remember(entry)
    }
  }

  async #read(): Promise<void> {
    const { declarer, queue } = this.#options
    const exists = (await declarer.count(queue)) !== undefined
    const end = exists ? ((await this.#collect('last')).at(-1)?.offset ?? -1) : -1
    if (end < this.#next - 1) {
      // Another one: the broker has lost all it had.
      this.#entries.clear()
      this.#next = 0
    }
    if (end < this.#next) return
    for (const { offset, entry } of await this.#collect(this.#next, end)) {
      if (offset < this.#next) continue
      this.#next = offset + 1
      if (entry) this.#remember(entry)
    }
  }

  #remember(entry: Entry): void {
    // The latest word of a group is the last of its entries.
    this.#entries.delete(JSON.stringify(entry))
    this.#entries.set(JSON.stringify(entry), entry)
  }

  /** Reads from `from` to the entry `to`, or until nothing more comes. */
  #collect(from: number | 'last', to = Number.POSITIVE_INFINITY): Promise<readonly { offset: number; entry: Entry | undefined }[]> {
    const { declarer, queue, clock } = this.#options
    return declarer.read(async (channel) => {
      const found: { offset: number; entry: Entry | undefined }[] = []
      let finish = () => {}
      const finished = new Promise<void>((resolve) => {
        finish = resolve
      })
      let cancel = clock.after(WITHIN_MS, finish)
      await channel.prefetch(PREFETCH)
      await channel.consume(
        queue,
        (message) => {
          const offset: unknown = message?.properties.headers?.['x-stream-offset']
          if (!message || typeof offset !== 'number') return finish()
          channel.ack(message)
          found.push({ offset, entry: parsed(message.content) })
          cancel()
          if (offset >= to) finish()
          else cancel = clock.after(from === 'last' ? NEXT_WITHIN_MS : WITHIN_MS, finish)
        },
        { arguments: { 'x-stream-offset': from } },
      )
      await finished
      cancel()
      return found
    })
  }
}

/** Undefined for what a later version wrote, or somebody else. */
function parsed(body: Buffer): Entry | undefined {
  try {
    const entry: unknown = JSON.parse(body.toString('utf8'))
    const known = typeof entry === 'object' && entry !== null && 'kind' in entry && KINDS.includes(String(entry.kind))
    return known ? (entry as Entry) : undefined
  } catch {
    return undefined
  }
}
