import type { Admin, Depth, SharedDelay, TopicSummary } from '../../driver.ts'
import { withLimits } from '../limit.ts'
import type { BrokerTime } from './broker-time.ts'
import { type BuryOptions, bury } from './bury.ts'
import type { Letters } from './dead-letters.ts'
import { failureOf } from './failure.ts'
import { decodeWish } from './group/assigner.ts'
import { lagOf } from './lag.ts'
import { oldestAt } from './oldest.ts'
import type { Client } from './protocol/client.ts'
import { type Entry, type Registry, readBy } from './registry.ts'
import { removeGroup } from './remove-group.ts'

export interface AdminOptions extends BuryOptions {
  readonly prefix: string
  readonly client: Client
  readonly letters: Letters
  readonly registry: Registry
  readonly time: Pick<BrokerTime, 'now'>
}

export function admin(options: AdminOptions): Admin {
  const { letters } = options
  const looks = new Looks(options)
  return {
    topics: (wanted) => looks.topics(wanted),
    depth: (topic, group) => looks.depth(topic, group),
    sharedDelays: () => looks.sharedDelays(),
    deadLetters: withLimits((filter, paging) => letters.page(filter, paging)),
    replay: (filter, headers, pace) => letters.replay(filter, headers, pace),
    purge: (filter) => letters.purge(filter),
    bury: (all) => bury(all, options),
    removeGroup: (topic, group) => removeGroup(topic, group, { ...options, members: (...of) => looks.members(...of) }),
  }
}

interface Waiting {
  readonly ready: number
  readonly inFlight: number
  readonly oldestAt: number
}

/** To a user who may not see it Kafka says of a topic that is not there that it is forbidden: a group that keeps nothing has none. */
function nothingSeen(thrown: unknown): Waiting {
  if (failureOf(thrown).type !== 'TOPIC_AUTHORIZATION_FAILED') throw thrown
  return { ready: 0, inFlight: 0, oldestAt: Number.POSITIVE_INFINITY }
}

/** What can be seen of topics and groups without being a member. */
class Looks {
  readonly #options: AdminOptions

  constructor(options: AdminOptions) {
    this.#options = options
  }

  async topics(wanted: readonly string[] | undefined): Promise<readonly TopicSummary[]> {
    const { names, prefix, client, entries } = this.#options
    const all = await entries()
    const places = new Set(all.flatMap(({ place }) => (place ? names.place(place.name) : [])))
    const found = [...(await client.topics()).keys()].filter(
      (name) => name.startsWith(prefix) && !name.startsWith('__') && !names.isOurs(name) && !places.has(name),
    )
    // Those that are called otherwise on the broker are known by who reads them.
    const read = all.filter(({ reads, gone }) => reads !== undefined && !gone).map(({ topic }) => topic)
    const topics = [...new Set([...found.map((name) => name.slice(prefix.length)), ...read])]
    return topics.flatMap((topic) => {
      if (wanted && !wanted.includes(topic)) return []
      const readers = all.filter((entry) => entry.topic === topic && !entry.gone)
      const others = readers.flatMap(({ group, to }) => (to === undefined ? [] : [[group, { topic: to }] as const]))
      const lettersTo = others.length > 0 ? { lettersTo: Object.fromEntries(others) } : {}
      return { topic, groups: [...new Set(readers.map(({ group }) => group))], ...lettersTo }
    })
  }

  async depth(topic: string, group: string): Promise<Depth> {
    const { names, letters, time } = this.#options
    const declared = await this.#declared((entry) => entry.group === group)
    const [work, again, dead, members] = await Promise.all([
      this.#waiting(await this.#nameOf(topic, group), group),
      this.#waiting(names.again(topic, group), group).catch(nothingSeen),
      letters.count(topic, group),
      this.members(topic, group),
    ])
    const at = Math.min(work.oldestAt, again.oldestAt)
    const depth = {
      ready: work.ready + again.ready,
      inFlight: work.inFlight + again.inFlight,
      dead,
      members,
      ...(at < Number.POSITIVE_INFINITY && { oldestMs: Math.max(0, time.now() - at) }),
    }
    // What waits for its retry lies together for all topics of a group.
    if (declared.length > 1) return depth
    const waiting = await this.#delaysOf(group, declared)
    return { ...depth, delayed: waiting.reduce((sum, one) => sum + one.waiting, 0) }
  }

  async sharedDelays(): Promise<readonly SharedDelay[]> {
    const groups = Map.groupBy(await this.#declared(() => true), (entry) => entry.group)
    const shared = [...groups].filter(([, declared]) => declared.length > 1)
    const all = await Promise.all(shared.map(([group, declared]) => this.#delaysOf(group, declared)))
    return all.flat().filter(({ waiting }) => waiting > 0)
  }

  async members(topic: string, group: string): Promise<number> {
    const { client, names } = this.#options
    const name = await this.#nameOf(topic, group)
    const described = await client.describe(names.group(group))
    const wishes = described?.members.map(({ memberId, memberMetadata }) => decodeWish(memberId, memberMetadata)) ?? []
    return wishes.filter((wish) => wish?.topics.includes(name)).length
  }

  /** Of what a group reads as a topic. */
  async #nameOf(topic: string, group: string): Promise<string> {
    const [entry] = await this.#declared((one) => one.topic === topic && one.group === group)
    return readBy(entry ?? { topic }, this.#options.names)
  }

  /** The declarations of groups that were not removed. */
  async #declared(which: (entry: Entry) => boolean): Promise<readonly Entry[]> {
    return (await this.#options.entries()).filter((entry) => !entry.gone && which(entry))
  }

  /** How many messages wait. `oldestAt` is when the oldest of them was published, infinity where there is none. */
  async #waiting(topic: string, group: string): Promise<Waiting> {
    const { ready, inFlight, leaders, from } = await lagOf(topic, group, this.#options)
    return { ready, inFlight, oldestAt: await oldestAt(this.#options.client, topic, leaders, from) }
  }

  async #delaysOf(group: string, declared: readonly Entry[]): Promise<readonly SharedDelay[]> {
    const delays = [...new Set(declared.flatMap(({ delays }) => delays.map(({ afterMs }) => afterMs)))].filter((ms) => ms > 0)
    return Promise.all(
      delays.map(async (afterMs) => {
        const { ready, inFlight } = await lagOf(this.#options.names.delay(group, afterMs), group, this.#options)
        return { afterMs, waiting: ready + inFlight, group }
      }),
    )
  }
}
