import type { Clock } from '../../clock.ts'
import type { ExchangeLetters, ExchangeSource, QueueSource } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { type Declarer, registryStream } from './declare.ts'

/** One line of what was declared on this broker. */
export type Entry =
  | { readonly kind: 'topic'; readonly topic: string }
  | GroupEntry
  /** Its queue is bound to the topic: with `by` to the exchange behind it, without to the topic itself, as the builds before this one did it. */
  | { readonly kind: 'bound'; readonly topic: string; readonly group: string; readonly by?: 'groups' }
  | BindEntry
  /** With `by` it is bound to the exchange of all delays, without to one of its own, as the builds before this one did it. */
  | { readonly kind: 'delay'; readonly ms: number; readonly by?: 'header' }

export interface GroupEntry {
  readonly kind: 'group'
  readonly topic: string
  readonly group: string
  readonly place?: Place
  /** Its dead letters go to something of others, and nobody here looks for them. */
  readonly to?: ExchangeLetters
  readonly source?: OurSource
}

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

/** RabbitMQ counts what a stream has every 5 s: one that gave nothing for longer, and is said to have nothing after that, is empty. */
const EMPTY_AFTER_MS = 6_000
const SILENT_AT_MOST_MS = 30_000
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
    const end = await this.#end()
    if (end < this.#next - 1) {
      // Another one: the broker has lost all it had.
      this.#entries.clear()
      this.#next = 0
    }
    if (end < this.#next) return
    for (const { offset, entry } of await this.#collect(this.#next, end, SILENT_AT_MOST_MS)) {
      if (offset < this.#next) continue
      this.#next = offset + 1
      if (entry) this.#remember(entry)
    }
    if (this.#next <= end) throw silent(this.#options.queue)
  }

  /** The offset of the last entry, -1 when there is none. That nothing came is not enough to say so: a busy broker takes its time. */
  async #end(): Promise<number> {
    const { declarer, queue } = this.#options
    if ((await declarer.count(queue)) === undefined) return -1
    for (let waited = 0; waited < SILENT_AT_MOST_MS; waited += EMPTY_AFTER_MS) {
      const last = (await this.#collect('last', Number.POSITIVE_INFINITY, EMPTY_AFTER_MS)).at(-1)
      if (last) return last.offset
      if (((await declarer.count(queue))?.ready ?? 0) === 0) return -1
    }
    throw silent(queue)
  }

  #remember(entry: Entry): void {
    // The latest word of a group is the last of its entries.
    this.#entries.delete(JSON.stringify(entry))
    this.#entries.set(JSON.stringify(entry), entry)
  }

  /** Reads from `from` to the entry `to`, or until nothing more comes. */
  #collect(from: number | 'last', to: number, silentMs: number): Promise<readonly { offset: number; entry: Entry | undefined }[]> {
    const { declarer, queue, clock } = this.#options
    return declarer.read(async (channel) => {
      const found: { offset: number; entry: Entry | undefined }[] = []
      let finish = () => {}
      const finished = new Promise<void>((resolve) => {
        finish = resolve
      })
      let cancel = clock.after(silentMs, finish)
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
          else cancel = clock.after(from === 'last' ? NEXT_WITHIN_MS : silentMs, finish)
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

/** What cannot be read is not what is not there: whoever asked would find no letters, and no groups. */
function silent(queue: string): CorebusError {
  return new CorebusError('CONNECTION_LOST', `RabbitMQ has not handed out what is in queue ${queue} within ${SILENT_AT_MOST_MS / 1000} s`)
}
