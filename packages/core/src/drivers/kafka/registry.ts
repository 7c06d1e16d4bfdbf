import type { GroupTopology } from '../../driver.ts'
import { readLog } from './log-reader.ts'
import type { Client } from './protocol/client.ts'
import type { Publisher } from './publisher.ts'

/** What was declared for one group on one topic. */
export interface Entry extends Pick<GroupTopology, 'group' | 'topic' | 'delays'> {
  readonly place?: { readonly name: string; readonly ttlMs?: number }
  /** The group was removed: its dead letters are found, and nothing else is its own. */
  readonly gone?: true
}

export interface RegistryOptions {
  readonly client: Client
  readonly publisher: Publisher
  readonly topic: string
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
