import type { GroupTopology, SubscribeOptions } from '../../driver.ts'
import { readLog } from './log-reader.ts'
import type { Names } from './names.ts'
import type { Client } from './protocol/client.ts'
import type { Publisher } from './publisher.ts'

/** What was declared for one group on one topic. */
export interface Entry extends Pick<GroupTopology, 'group' | 'topic' | 'delays'> {
  /** The topic of the broker that it reads, where that is not called as usual. */
  readonly reads?: string
  readonly place?: { readonly name: string; readonly ttlMs?: number }
  /** A topic of others that its dead letters go to, where nobody here looks for them. A place beside it has those from before. */
  readonly to?: string
  /** The group was removed: its dead letters are found, and nothing else is its own. */
  readonly gone?: true
}

export interface RegistryOptions {
  readonly client: Client
  readonly publisher: Publisher
  readonly topic: string
}

/** The topic of the broker that a group reads. */
export function readBy({ reads, topic }: Pick<Entry, 'reads' | 'topic'>, names: Pick<Names, 'topic'>): string {
  return reads ?? names.topic(topic)
}

/** What is read as each topic, by its name on the broker. */
export function topicsRead({ topics, sources }: SubscribeOptions, names: Pick<Names, 'topic'>): ReadonlyMap<string, string> {
  return new Map(
    topics.map((topic) => {
      const source = sources?.get(topic)
      return [source && 'topic' in source ? source.topic : names.topic(topic), topic]
    }),
  )
}

/** Nothing of it is ever stored in a place of ours: it needs the topic and its group, and nothing of ours. */
export function keepsNothing({ delays, place }: Pick<Entry, 'delays' | 'place'>): boolean {
  return delays.length === 0 && !place
}

/** A compacted topic of what was declared: so tools find dead letters and groups that have not begun. */
export class Registry {
  readonly #options: RegistryOptions
  readonly #entries = new Map<string, Entry>()
  #next = 0
  #reading: Promise<void> | undefined

  constructor(options: RegistryOptions) {
    this.#options = options
  }

  /** Of all services. None where nothing was ever declared. */
  async entries(): Promise<readonly Entry[]> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
    return [...this.#entries.values()]
  }

  /** What whoever watches a topic sees: where no group reads its own, the one of others that is read under its name. */
  async readAs(topic: string, names: Pick<Names, 'topic'>): Promise<string> {
    const readers = (await this.entries()).filter((entry) => entry.topic === topic && !entry.gone)
    const [first] = readers
    return first && readers.every(({ reads }) => reads !== undefined) ? readBy(first, names) : names.topic(topic)
  }

  async #read(): Promise<void> {
    const { client, topic } = this.#options
    if (!(await client.topics()).has(topic)) return
    this.#next = await readLog(client, topic, {
      from: this.#next,
      onRecord: ({ key, value }) => {
        if (key && value) this.#entries.set(key.toString(), JSON.parse(value.toString()))
      },
    })
  }

  async declare(entry: Entry): Promise<void> {
    const key = JSON.stringify([entry.group, entry.topic])
    const value = JSON.stringify(entry)
    if (JSON.stringify(this.#entries.get(key)) === value) return
    await this.#options.publisher.store(this.#options.topic, 0, { key: Buffer.from(key), value: Buffer.from(value), headers: {} })
    this.#entries.set(key, entry)
  }
}
