import type { Difference, GroupTopology, TopicOptions, Topology as Wanted } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { resolvePlace } from '../names.ts'
import { failureOf, inWords } from './failure.ts'
import type { Names } from './names.ts'
import type { Client, NewTopic } from './protocol/client.ts'
import type { Entry, Registry } from './registry.ts'

export interface TopologyOptions {
  readonly names: Names
  readonly prefix: string
  readonly service: string
  readonly topics: TopicOptions
  readonly client: Client
  readonly registry: Registry
}

interface Needed extends NewTopic {
  /** In words. */
  readonly what: string
  /** Whose messages are copied into it, by their names on the broker. */
  readonly copiesOf?: readonly string[]
}

/** A copy says more than its original: why, and where it came from. */
const ROOM_BYTES = 64 * 1024
const LARGEST = 'max.message.bytes'

/** What lies here is stamped by the broker: the times of the originals would let it go too early. */
const STAMPED = { 'message.timestamp.type': 'LogAppendTime' }
const KEPT = { 'cleanup.policy': 'compact', 'retention.ms': '-1' }
/** Said again and again, so only the last hour matters. */
const NOTES = { 'cleanup.policy': 'compact,delete', 'retention.ms': '3600000', 'segment.ms': '600000', ...STAMPED }
const SHORT = { 'retention.ms': '3600000', ...STAMPED }
const PARTITIONS = 12
const VISIBLE_LOOKS = 100
const LOOK_EVERY_MS = 20

export class Topology {
  readonly #options: TopologyOptions
  /** What a topic is like that has to be made anew. */
  readonly #known = new Map<string, NewTopic>()
  readonly #groups = new Map<string, Entry>()
  readonly #registry: NewTopic
  readonly #clock: NewTopic
  /** By name on the broker: what the user says of single topics. */
  readonly #partitions: ReadonlyMap<string, number>
  readonly #making = new Map<string, Promise<void>>()
  #mayCreate = true

  constructor(options: TopologyOptions) {
    this.#options = options
    const { names } = options
    this.#registry = { topic: names.registry, partitions: 1, config: KEPT }
    this.#clock = { topic: names.clock, partitions: 1, config: SHORT }
    for (const one of [this.#registry, this.#clock, { topic: names.members, partitions: 1, config: NOTES }]) this.#know(one)
    const said = Object.entries(options.topics.topics ?? {})
    this.#partitions = new Map(
      said.flatMap(([topic, { partitions }]) => (partitions === undefined ? [] : [[names.topic(topic), partitions]])),
    )
  }

  get mayCreate(): boolean {
    return this.#mayCreate
  }

  /** Undefined when it was never declared here. */
  group(topic: string, group: string): Entry | undefined {
    return this.#groups.get(JSON.stringify([group, topic]))
  }

  delaysOf(group: string): readonly number[] {
    const all = [...this.#groups.values()].filter((entry) => entry.group === group).flatMap(({ delays }) => delays)
    return [...new Set(all.map(({ afterMs }) => afterMs).filter((ms) => ms > 0))]
  }

  async ensure({ topics, groups }: Wanted, mode: 'create' | 'check'): Promise<readonly Difference[]> {
    const { client, registry } = this.#options
    this.#mayCreate = mode === 'create'
    const there = await client.topics()
    const entries = groups.map((group) => this.#entryOf(group))
    const needed = this.#needed(topics, entries, there)
    for (const one of needed) this.#know(one)
    const missing = needed.filter(({ topic }) => !there.has(topic))
    if (mode === 'create') {
      await this.#create(missing.filter(({ copiesOf }) => !copiesOf))
      await this.#create(await this.#roomy(missing.filter(({ copiesOf }) => copiesOf)))
    }
    const declared = new Map((await registry.entries()).map((entry) => [JSON.stringify([entry.group, entry.topic]), entry]))
    const differences = this.#tooFew(needed, there)
    if (mode === 'check') differences.push(...missing.map(lacking))
    for (const entry of entries) {
      const key = JSON.stringify([entry.group, entry.topic])
      const earlier = declared.get(key)
      const before = earlier?.gone ? undefined : earlier?.place
      if (before && before.name === entry.place?.name && before.ttlMs !== entry.place.ttlMs) {
        const what = `the dead letters of ${entry.group} on ${entry.topic} (${before.name})`
        differences.push({ what, wanted: kept(entry.place.ttlMs), found: kept(before.ttlMs) })
        continue
      }
      this.#groups.set(key, entry)
      if (mode === 'create') await registry.declare(entry)
    }
    return differences
  }

  /** A topic that the broker does not have (any more). @throws CorebusError TOPOLOGY where nothing may be made. */
  make(topic: string): Promise<void> {
    if (!this.#mayCreate)
      return Promise.reject(new CorebusError('TOPOLOGY', `topic ${topic} is not there, and topology: 'check' makes none: create it`))
    const making =
      this.#making.get(topic) ??
      this.#create([this.#known.get(topic) ?? { topic, partitions: this.#partitionsOf(topic), config: {} }]).finally(() =>
        this.#making.delete(topic),
      )
    this.#making.set(topic, making)
    return making
  }

  #partitionsOf(topic: string): number {
    const { partitions = PARTITIONS } = this.#options.topics
    return this.#partitions.get(topic) ?? partitions
  }

  /** Those that are there are used as they are, unless somebody said what they must be. More than that does no harm. */
  #tooFew(needed: readonly Needed[], there: ReadonlyMap<string, number>): Difference[] {
    return needed.flatMap(({ what, topic }) => {
      const [found, wanted] = [there.get(topic), this.#partitions.get(topic)]
      if (found === undefined || wanted === undefined || found >= wanted) return []
      return [{ what, wanted: `${wanted} partitions`, found: `${found}, which are never added to here: kafka-topics.sh --alter may` }]
    })
  }

  #know({ topic, partitions, config }: NewTopic): void {
    this.#known.set(topic, { topic, partitions, config })
  }

  #entryOf({ group, topic, delays, deadLetter }: GroupTopology): Entry {
    if (deadLetter === false) return { group, topic, delays }
    const { prefix, service } = this.#options
    return { group, topic, delays, place: resolvePlace(deadLetter, { topic, group, service, prefix }) }
  }

  #needed(topics: readonly string[], entries: readonly Entry[], there: ReadonlyMap<string, number>): readonly Needed[] {
    const { names } = this.#options
    const needed = new Map<string, Needed>()
    const need = (one: Needed) => {
      const before = needed.get(one.topic)
      const copiesOf = [...new Set([...(before?.copiesOf ?? []), ...(one.copiesOf ?? [])])]
      needed.set(one.topic, { ...(before ?? one), ...(copiesOf.length > 0 && { copiesOf }) })
    }
    for (const topic of [...topics, ...entries.map((entry) => entry.topic)])
      need({ what: `topic ${topic}`, topic: names.topic(topic), partitions: this.#partitionsOf(names.topic(topic)), config: {} })
    for (const { group, topic, delays, place } of entries) {
      const copiesOf = [names.topic(topic)]
      need({
        copiesOf,
        what: `what comes back to ${group} on ${topic}`,
        topic: names.again(topic, group),
        partitions: there.get(names.topic(topic)) ?? this.#partitionsOf(names.topic(topic)),
        config: STAMPED,
      })
      for (const { afterMs } of delays)
        if (afterMs > 0)
          need({
            copiesOf,
            what: `the delay of ${afterMs} ms of ${group} on ${topic}`,
            topic: names.delay(group, afterMs),
            partitions: 1,
            config: STAMPED,
          })
      for (const own of [this.#registry, this.#clock]) need({ what: `what all groups share, for ${group} on ${topic}`, ...own })
      const what = `the dead letters of ${group} on ${topic}`
      if (place) need({ copiesOf, what, topic: names.place(place.name), partitions: 1, config: KEPT })
    }
    return [...needed.values()]
  }

  /** What is copied into them fits, whatever their topics take. */
  async #roomy(topics: readonly Needed[]): Promise<readonly NewTopic[]> {
    const { client } = this.#options
    const originals = [...new Set(topics.flatMap(({ copiesOf = [] }) => copiesOf))]
    const sizes = new Map(
      await Promise.all(originals.map(async (name) => [name, Number((await client.configOf(name)).get(LARGEST))] as const)),
    )
    return topics.map(({ topic, partitions, config, copiesOf = [] }) => {
      const largest = Math.max(...copiesOf.map((name) => sizes.get(name) || 0))
      const roomy = { topic, partitions, config: largest > 0 ? { ...config, [LARGEST]: String(largest + ROOM_BYTES) } : config }
      this.#know(roomy)
      return roomy
    })
  }

  async #create(topics: readonly NewTopic[]): Promise<void> {
    if (topics.length === 0) return
    const { client } = this.#options
    try {
      await client.create(topics)
    } catch (thrown) {
      const failure = failureOf(thrown)
      if (failure.type === '') throw failure.error
      throw new CorebusError('TOPOLOGY', `Kafka does not make ${topics.map(({ topic }) => topic).join(', ')}: ${inWords(failure)}`, {
        cause: failure.error,
      })
    }
    for (const { topic } of topics) await this.#visible(topic)
  }

  /** Made is not yet known to every broker. */
  async #visible(topic: string): Promise<void> {
    for (let look = 0; look < VISIBLE_LOOKS; look++) {
      const leaders = await this.#options.client.leaders(topic).catch(() => [])
      if (leaders.length > 0 && leaders.every((leader) => leader >= 0)) return
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }
}

/** So that whoever may make it knows how. */
function lacking({ what, topic, partitions, config }: Needed): Difference {
  const settings = Object.entries(config).map(([name, value]) => `, ${name}=${value}`)
  const wanted = `topic ${topic} with ${partitions} ${partitions === 1 ? 'partition' : 'partitions'}${settings.join('')}`
  return { what, wanted, found: 'nothing' }
}

function kept(ttlMs: number | undefined): string {
  return ttlMs === undefined ? 'kept for ever' : `kept for ${ttlMs} ms`
}
