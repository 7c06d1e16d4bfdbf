import { randomUUID } from 'node:crypto'
import type { Channel } from 'amqplib'
import type { Delay, Difference, GroupTopology, Topology as Wanted } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { type Declarer, spareQueue } from './declare.ts'
import type { Names } from './names.ts'
import { delayThings, givenUpThing, placeOf, placeThing, type Thing, topicThings, type Unclaimed, workThing } from './places.ts'
import type { Entry, Place, Registry } from './registry.ts'

export interface TopologyOptions {
  readonly names: Names
  readonly service: string
  readonly unclaimed: Unclaimed
  readonly declarer: Declarer
  readonly registry: Registry
}

/** What this process knows of one group on one topic. */
export interface DeclaredGroup {
  readonly topic: string
  readonly group: string
  readonly delays: readonly Delay[]
  readonly place: Place | undefined
}

/** inequivalent arg 'x' for queue 'q' in vhost '/': received A but current is B */
const INEQUIVALENT = /inequivalent arg '([^']*)' for (?:queue|exchange) '.*' in vhost '.*': received (.*) but current is (.*)$/s

/** What there is on the broker, and makes it. */
export class Topology {
  readonly #options: TopologyOptions
  readonly #groups = new Map<string, DeclaredGroup>()
  /** True once it is known to be there. */
  readonly #topics = new Map<string, Promise<void> | true>()
  #mayCreate = true

  constructor(options: TopologyOptions) {
    this.#options = options
  }

  /** False where everything must be there already. */
  get mayCreate(): boolean {
    return this.#mayCreate
  }

  async ensure(wanted: Wanted, mode: 'create' | 'check'): Promise<readonly Difference[]> {
    this.#mayCreate = mode === 'create'
    const topics = [...new Set([...wanted.topics, ...wanted.groups.map(({ topic }) => topic)])]
    const groups = wanted.groups.map((group) => this.#declared(group))
    const things = [...topics.flatMap((topic) => this.#topicThings(topic)), ...groups.flatMap((group) => this.#groupThings(group))]
    const isNew = mode === 'create' && (await this.#write(topics, groups))
    const differences: Difference[] = []
    for (const thing of unique(things)) {
      const difference = mode === 'create' ? await this.#make(thing) : await this.#look(thing)
      if (difference) differences.push(difference)
    }
    if (mode === 'create') await this.#options.registry.add(things.flatMap(({ entry }) => entry ?? []))
    if (isNew) await this.#writtenDown()
    for (const topic of topics) this.#topics.set(topic, true)
    for (const group of groups) this.#groups.set(keyOf(group), group)
    return differences
  }

  /** Undefined until it was declared in this process. */
  group(topic: string, group: string): DeclaredGroup | undefined {
    return this.#groups.get(keyOf({ topic, group }))
  }

  /** Everything that was ever declared, and what was only checked here. */
  async entries(): Promise<readonly Entry[]> {
    const written = await this.#options.registry.entries().catch((error: unknown) => {
      throw unreadable(error, this.#options.names.registry)
    })
    const here = [...this.#topics.keys()]
      .map((topic): Entry => ({ kind: 'topic', topic }))
      .concat([...this.#groups.values()].map(groupEntry))
    return [...written, ...here.filter((entry) => !this.#options.registry.has(entry))]
  }

  /** Undefined when the topic is known to be there. */
  topic(topic: string): Promise<void> | undefined {
    const known = this.#topics.get(topic)
    if (known !== undefined) return known === true ? undefined : known
    const made = this.remakeTopic(topic).then(
      () => void this.#topics.set(topic, true),
      (error: unknown) => {
        this.#topics.delete(topic)
        throw error
      },
    )
    this.#topics.set(topic, made)
    return made
  }

  async remakeTopic(topic: string): Promise<void> {
    await this.#writeAgain([topic], [])
    await this.remake(this.#topicThings(topic))
  }

  async remakeGroup(topic: string, group: string): Promise<void> {
    await this.#writeAgain([], [this.group(topic, group) ?? { topic, group, delays: [], place: undefined }])
    await this.remake([workThing(this.#options.names, topic, group)])
  }

  /** What is published to the topic from now on is the group's. Written down afterwards: until then nobody may take the topic for read. */
  async bind(topic: string, group: string): Promise<void> {
    if (!this.#mayCreate) return
    const { names, declarer, registry } = this.#options
    const bound = (channel: Channel) => channel.bindQueue(names.work(topic, group), names.topic(topic), '#')
    if (!(await declarer.unlessMissing(bound))) {
      await this.remakeTopic(topic)
      await declarer.run(bound)
    }
    await registry.add([{ kind: 'bound', topic, group }])
  }

  /** The queues of the groups that read the topic, as far as it is written down; some may be gone. */
  async readersOf(topic: string): Promise<readonly string[]> {
    const kind = this.#mayCreate ? 'bound' : 'group'
    const entries = await this.entries()
    return entries.flatMap((entry) => (entry.kind === kind && entry.topic === topic ? this.#options.names.work(topic, entry.group) : []))
  }

  /** @throws CorebusError TOPOLOGY for what is missing and may not be made, or is there and differs. */
  async remake(things: readonly Thing[]): Promise<void> {
    for (const thing of things) {
      const difference = this.#mayCreate ? await this.#make(thing, true) : await this.#look(thing)
      if (difference) throw new CorebusError('TOPOLOGY', `${difference.what}: wanted ${difference.wanted}, found ${difference.found}`)
    }
    if (this.#mayCreate) await this.#writtenDown()
  }

  #declared({ topic, group, delays, deadLetter }: GroupTopology): DeclaredGroup {
    const { service, names } = this.#options
    const place = deadLetter ? placeOf(deadLetter, { topic, group, service, prefix: names.prefix }) : undefined
    return { topic, group, delays, place }
  }

  #topicThings(topic: string): readonly Thing[] {
    return topicThings(this.#options.names, topic, this.#options.unclaimed)
  }

  #groupThings({ topic, group, delays, place }: DeclaredGroup): readonly Thing[] {
    const { names } = this.#options
    return [
      givenUpThing(names, `group ${group}, topic ${topic}`),
      workThing(names, topic, group),
      ...(place ? [placeThing(names, topic, group, place)] : []),
      ...delayThings(names, { topic, group, delays }),
    ]
  }

  /** Before anything is made: whatever exists can be found. */
  async #write(topics: readonly string[], groups: readonly DeclaredGroup[]): Promise<boolean> {
    const { registry } = this.#options
    const entries = [...topics.map((topic): Entry => ({ kind: 'topic', topic })), ...groups.map(groupEntry)]
    if (entries.every((entry) => registry.has(entry))) return false
    await registry.entries()
    const isNew = !entries.every((entry) => registry.has(entry))
    await registry.add(entries).catch((error: unknown) => {
      throw forbidden(error, 'the list of what there is')
    })
    return isNew
  }

  /**
   * RabbitMQ (3.10, measured) writes down where a quorum queue has its data when it makes the next one, or up to a second later. Killed before that it has
   * the queue without what it had confirmed, and without a leader for ever. So one more is made, which goes at once; who may not make it goes without.
   */
  async #writtenDown(): Promise<void> {
    const { declarer, names } = this.#options
    const spare = names.spare(randomUUID())
    await declarer
      .run(async (channel) => {
        await channel.assertQueue(spare, spareQueue)
        await channel.deleteQueue(spare)
      })
      .catch(() => {})
  }

  /** Something is gone, and perhaps everything. */
  async #writeAgain(topics: readonly string[], groups: readonly DeclaredGroup[]): Promise<void> {
    if (!this.#mayCreate) return
    await this.#options.registry.entries()
    await this.#write(topics, groups)
  }

  async #make(thing: Thing, again = false): Promise<Difference | undefined> {
    const { declarer, registry } = this.#options
    if (!again && thing.entry && registry.has(thing.entry)) return undefined
    try {
      await declarer.run(thing.make)
      return undefined
    } catch (error) {
      if (!(error instanceof CorebusError)) throw error
      const [, arg, wanted, found] = INEQUIVALENT.exec(error.message) ?? []
      if (arg !== undefined && wanted !== undefined && found !== undefined)
        return { what: `${thing.what}, ${thing.kind} ${thing.name}: ${arg}`, wanted: plain(wanted), found: plain(found) }
      throw forbidden(error, thing.what)
    }
  }

  async #look({ what, kind, name }: Thing): Promise<Difference | undefined> {
    const { declarer } = this.#options
    const found = kind === 'queue' ? (await declarer.count(name)) !== undefined : await declarer.hasExchange(name)
    return found ? undefined : { what: `${what}, ${kind} ${name}`, wanted: 'exists', found: 'missing' }
  }
}

function forbidden(error: unknown, what: string): unknown {
  if (!(error instanceof CorebusError) || error.code !== 'ACCESS_REFUSED') return error
  const text = `${what}: ${error.message}. Give the user the right, or create it and set topology: 'check'`
  return new CorebusError('ACCESS_REFUSED', text, { cause: error })
}

function unreadable(error: unknown, registry: string): unknown {
  if (!(error instanceof CorebusError) || error.code !== 'ACCESS_REFUSED') return error
  const text = `the list of what there is: ${error.message}. Give the user the right to read ${registry}`
  return new CorebusError('ACCESS_REFUSED', text, { cause: error })
}

function groupEntry({ topic, group, place }: DeclaredGroup): Entry {
  return { kind: 'group', topic, group, ...(place && { place }) }
}

function unique(things: readonly Thing[]): readonly Thing[] {
  return [...new Map(things.map((thing) => [`${thing.kind} ${thing.name}`, thing])).values()]
}

/** "the value '60000' of type 'long'" */
function plain(words: string): string {
  return /the value '(.*)' of type/.exec(words)?.[1] ?? words
}

function keyOf({ topic, group }: { readonly topic: string; readonly group: string }): string {
  return JSON.stringify([topic, group])
}
