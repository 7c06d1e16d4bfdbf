import type { Clock, Difference, GroupTopology, TopicOptions, Topology as Wanted } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { resolvePlace } from '../names.ts'
import { failureOf, forbidden, inWords, isForbidden, isUnknownTopic, noSuchTopic, readTwice, wrongSource } from './failure.ts'
import { refuseOthers } from './group/others.ts'
import { letterTopicGone, letterTopicOf, noLetterTopic } from './letter-target.ts'
import type { Names } from './names.ts'
import { lacking, type Needed, type NeededOptions, neededBy, SHARED } from './needed.ts'
import type { Client, NewTopic } from './protocol/client.ts'
import { type Entry, keepsNothing, type Registry, readBy } from './registry.ts'

export interface TopologyOptions {
  readonly names: Names
  readonly prefix: string
  readonly service: string
  readonly topics: TopicOptions
  readonly client: Client
  readonly clock: Clock
  readonly registry: Registry
}

/** A copy says more than its original: why, and where it came from. */
const ROOM_BYTES = 64 * 1024
const LARGEST = 'max.message.bytes'
const PARTITIONS = 12
const VISIBLE_LOOKS = 100
const LOOK_EVERY_MS = 20

export class Topology {
  readonly #options: TopologyOptions
  /** What a topic is like that has to be made anew. */
  readonly #known = new Map<string, NewTopic>()
  readonly #groups = new Map<string, Entry>()
  /** Topics of others, by their names on the broker: they are never made. */
  readonly #others = new Set<string>()
  /** Topics of others that dead letters go to, by their names on the broker. */
  readonly #letters = new Set<string>()
  /** By name on the broker: what the user says of single topics. */
  readonly #partitions: ReadonlyMap<string, number>
  readonly #making = new Map<string, Promise<void>>()
  #mayCreate = true

  constructor(options: TopologyOptions) {
    this.#options = options
    const { names } = options
    for (const one of SHARED(names)) this.#know(one)
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
    return this.#groups.get(keyOf({ topic, group }))
  }

  /** Whether the group reads nothing of this topic but the topic itself. */
  keepsNothing(topic: string, group: string): boolean {
    const declared = this.group(topic, group)
    return declared !== undefined && keepsNothing(declared)
  }

  delaysOf(group: string): readonly number[] {
    const all = [...this.#groups.values()].filter((entry) => entry.group === group).flatMap(({ delays }) => delays)
    return [...new Set(all.map(({ afterMs }) => afterMs).filter((ms) => ms > 0))]
  }

  /** What is refused is refused before anything is made. */
  async ensure({ topics, groups }: Wanted, mode: 'create' | 'check'): Promise<readonly Difference[]> {
    const { client, registry, names } = this.#options
    this.#mayCreate = mode === 'create'
    const entries = groups.map((group) => this.#entryOf(group))
    refuseTwice(entries, names)
    const there = await client.topics()
    this.#refuseMissing(groups, there)
    for (const { topic, group, to } of entries) {
      if (to === undefined) continue
      if (!there.has(to)) throw noLetterTopic(to, { topic, group })
      this.#letters.add(to)
    }
    for (const group of new Set(entries.map((entry) => entry.group))) await refuseOthers(group, this.#options)
    const sourced = new Set(groups.flatMap(({ topic, source }) => (source ? [topic] : [])))
    const wanted = topics.filter((topic) => !sourced.has(topic))
    const needed = neededBy(wanted, entries, this.#needs(groups, there))
    for (const one of needed) this.#know(one)
    const missing = needed.filter(({ topic }) => !there.has(topic))
    if (mode === 'create') await this.#mayMake(missing)
    if (mode === 'create') await this.#mayLook(missing)
    const declared = new Map((await registry.entries()).map((entry) => [keyOf(entry), entry]))
    const differences = [...this.#tooFew(needed, there), ...entries.flatMap((entry) => keptOtherwise(entry, declared.get(keyOf(entry))))]
    if (mode === 'create') {
      const shared = new Set(SHARED(names).map(({ topic }) => topic))
      await this.#create(missing.filter(({ topic }) => shared.has(topic)))
      await this.#declare(entries, declared, there)
      await this.#create(missing.filter(({ topic, copiesOf }) => !copiesOf && !shared.has(topic)))
      await this.#create(await this.#roomy(missing.filter(({ copiesOf }) => copiesOf)))
    } else differences.push(...missing.map(lacking))
    for (const entry of entries) if (keptOtherwise(entry, declared.get(keyOf(entry))).length === 0) this.#groups.set(keyOf(entry), entry)
    return differences
  }

  /** A topic that the broker does not have (any more). @throws CorebusError TOPOLOGY where nothing may be made. */
  make(topic: string): Promise<void> {
    if (this.#letters.has(topic)) return Promise.reject(letterTopicGone(topic))
    if (this.#others.has(topic))
      return Promise.reject(new CorebusError('TOPOLOGY', `topic ${topic} is not there, and it is of others: it is for its owner to make`))
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

  #needs(groups: readonly GroupTopology[], there: ReadonlyMap<string, number>): NeededOptions {
    const { names } = this.#options
    const others = new Set(groups.flatMap(({ source }) => (source && 'topic' in source ? [source.topic] : [])))
    for (const name of others) this.#others.add(name)
    return { names, others, partitionsOf: (name) => there.get(name) ?? this.#partitionsOf(name) }
  }

  /** @throws CorebusError SOURCE */
  #refuseMissing(groups: readonly GroupTopology[], there: ReadonlyMap<string, number>): void {
    for (const { topic, group, source } of groups)
      if (source && 'topic' in source && !there.has(source.topic)) throw noSuchTopic(source.topic, { topic, group })
  }

  /** Those that are there are used as they are, unless somebody said what they must be. More than that does no harm. */
  #tooFew(needed: readonly Needed[], there: ReadonlyMap<string, number>): readonly Difference[] {
    return needed.flatMap(({ what, topic }) => {
      const [found, wanted] = [there.get(topic), this.#partitions.get(topic)]
      if (found === undefined || wanted === undefined || found >= wanted) return []
      return [{ what, wanted: `${wanted} partitions`, found: `${found}, which are never added to here: kafka-topics.sh --alter may` }]
    })
  }

  #know({ topic, partitions, config }: NewTopic): void {
    this.#known.set(topic, { topic, partitions, config })
  }

  /** @throws CorebusError SOURCE for what is none of Kafka's */
  #entryOf({ group, topic, delays, deadLetter, source }: GroupTopology): Entry {
    const { prefix, service, names } = this.#options
    if (source && !('topic' in source)) throw wrongSource({ topic, group }, source)
    const name = source?.topic ?? names.topic(topic)
    const reads = source || name !== `${prefix}${topic}` ? { reads: name } : {}
    if (deadLetter === false) return { group, topic, delays, ...reads }
    if ('to' in deadLetter) return { group, topic, delays, ...reads, to: letterTopicOf(deadLetter.to, { topic, group }, name) }
    return { group, topic, delays, ...reads, place: resolvePlace(deadLetter, { topic, group, service, prefix }) }
  }

  /** A group that keeps nothing is written down where there is a registry and it may be; nobody needs to find anything of it. */
  async #declare(entries: readonly Entry[], declared: ReadonlyMap<string, Entry>, there: ReadonlyMap<string, number>): Promise<void> {
    const { registry, names } = this.#options
    for (const entry of entries) {
      if (keptOtherwise(entry, declared.get(keyOf(entry))).length > 0) continue
      const before = declared.get(keyOf(entry))
      // Letters from before they went to others are found where they are.
      const said = entry.to !== undefined && before?.place ? { ...entry, place: before.place } : entry
      if (!keepsNothing(entry)) await registry.declare(said)
      else if (there.has(names.registry)) await registry.declare(said).catch(() => {})
    }
  }

  /** What is copied into them fits, whatever their topics take. */
  async #roomy(topics: readonly Needed[]): Promise<readonly NewTopic[]> {
    const originals = [...new Set(topics.flatMap(({ copiesOf = [] }) => copiesOf))]
    const sizes = new Map(await Promise.all(originals.map(async (name) => [name, await this.#largest(name)] as const)))
    return topics.map(({ topic, partitions, config, copiesOf = [] }) => {
      const largest = Math.max(...copiesOf.map((name) => sizes.get(name) || 0))
      const roomy = { topic, partitions, config: largest > 0 ? { ...config, [LARGEST]: String(largest + ROOM_BYTES) } : config }
      this.#know(roomy)
      return roomy
    })
  }

  /** How large a record of a topic may be. A broker that has only just started, or a topic that was only just made, is asked again. */
  async #largest(topic: string): Promise<number> {
    for (let look = 1; ; look++) {
      try {
        return Number((await this.#options.client.configOf(topic)).get(LARGEST))
      } catch (thrown) {
        if (look === VISIBLE_LOOKS || !isUnknownTopic(failureOf(thrown))) throw thrown
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }

  /** Of several topics Kafka makes those that it does not refuse: so it is asked first. @throws CorebusError TOPOLOGY */
  async #mayMake(topics: readonly NewTopic[]): Promise<void> {
    if (topics.length > 0) await this.#options.client.create(topics, { only: 'look' }).catch((thrown: unknown) => refuse(topics, thrown))
  }

  /** A copy must fit, so the broker is asked for the settings of the originals. It says also of a topic that is not there whether this user may ask. */
  async #mayLook(topics: readonly Needed[]): Promise<void> {
    for (const name of new Set(topics.flatMap(({ copiesOf = [] }) => copiesOf)))
      await this.#options.client.configOf(name).catch((thrown: unknown) => {
        const failure = failureOf(thrown)
        if (isForbidden(failure)) throw forbidden(`to see the settings of topic ${name}, which needs DescribeConfigs on it`, failure)
      })
  }

  async #create(topics: readonly NewTopic[]): Promise<void> {
    if (topics.length === 0) return
    await this.#options.client.create(topics).catch((thrown: unknown) => refuse(topics, thrown))
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

const keyOf = ({ topic, group }: { readonly topic: string; readonly group: string }): string => JSON.stringify([group, topic])

/** @throws CorebusError SOURCE */
function refuseTwice(entries: readonly Entry[], names: Names): void {
  const read = new Map<string, string>()
  for (const entry of entries) {
    const name = readBy(entry, names)
    const key = JSON.stringify([entry.group, name])
    const other = read.get(key) ?? entry.topic
    if (other !== entry.topic) throw readTwice(entry.group, name, [other, entry.topic])
    read.set(key, entry.topic)
  }
}

/** @throws what keeps them from being made, in words */
function refuse(topics: readonly NewTopic[], thrown: unknown): never {
  const failure = failureOf(thrown)
  if (failure.type === '') throw failure.error
  const text = `Kafka does not make ${topics.map(({ topic }) => topic).join(', ')}: ${inWords(failure)}`
  throw new CorebusError('TOPOLOGY', text, { cause: failure.error })
}

function keptOtherwise({ group, topic, place }: Entry, earlier: Entry | undefined): readonly Difference[] {
  const before = earlier?.gone ? undefined : earlier?.place
  if (!before || before.name !== place?.name || before.ttlMs === place.ttlMs) return []
  const what = `the dead letters of ${group} on ${topic} (${before.name})`
  return [{ what, wanted: kept(place.ttlMs), found: kept(before.ttlMs) }]
}

function kept(ttlMs: number | undefined): string {
  return ttlMs === undefined ? 'kept for ever' : `kept for ${ttlMs} ms`
}
