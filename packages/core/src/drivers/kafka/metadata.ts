import { monotonic } from '../../clock.ts'
import type { Clock } from '../../driver.ts'
import type { Client } from './protocol/client.ts'

const FRESH_MS = 30_000
/** While a partition has no leader: it may have one soon. */
const LEADERLESS_FRESH_MS = 500

/** Who leads each partition of a topic, asked again now and then and after an error. */
export class Metadata {
  readonly #client: Client
  readonly #clock: Clock
  readonly #known = new Map<string, { leaders: readonly number[]; at: number }>()
  readonly #asking = new Map<string, Promise<readonly number[]>>()

  constructor(client: Client, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  /** Without asking; undefined when it is not known, or not for sure. */
  known(topic: string): readonly number[] | undefined {
    const known = this.#known.get(topic)
    if (known === undefined) return undefined
    const freshMs = known.leaders.every((leader) => leader >= 0) ? FRESH_MS : LEADERLESS_FRESH_MS
    return monotonic(this.#clock) - known.at < freshMs ? known.leaders : undefined
  }

  /** @throws what the broker says: UNKNOWN_TOPIC_OR_PARTITION, no connection. */
  leaders(topic: string): Promise<readonly number[]> {
    const known = this.known(topic)
    if (known) return Promise.resolve(known)
    const asking = this.#asking.get(topic) ?? this.#ask(topic)
    this.#asking.set(topic, asking)
    return asking
  }

  forget(topic: string): void {
    this.#known.delete(topic)
  }

  async #ask(topic: string): Promise<readonly number[]> {
    try {
      const leaders = await this.#client.leaders(topic)
      if (leaders.length === 0) throw new Error(`topic ${topic} has no partitions yet`)
      this.#known.set(topic, { leaders, at: monotonic(this.#clock) })
      return leaders
    } finally {
      this.#asking.delete(topic)
    }
  }
}
