import { randomUUID } from 'node:crypto'
import type { Delay, Difference, ExchangeLetters, GroupTopology, Topology as Wanted } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { Bindings, bindingsOf, unlessForbidden } from './bindings.ts'
import { type Declarer, registryStream, spareQueue } from './declare.ts'
import { letterTargetOf, refuseMissing } from './letter-target.ts'
import type { Names } from './names.ts'
import { delaysThings, givenUpThing, placeOf, placeThing, topicBinding, topicThings, type Unclaimed, workThing } from './places.ts'
import type { Entry, GroupEntry, OurSource, Place, Registry } from './registry.ts'
import { lookAtTheirs, refuseOurs, sourceOf } from './source.ts'
import { look, make, survey } from './survey.ts'
import { type BindingThing, forbidden, type Thing } from './things.ts'

export interface TopologyOptions {
  readonly names: Names
  readonly service: string
  /** False for a topic where nothing is kept that no group reads. */
  readonly unclaimed: (topic: string) => Unclaimed | false
  readonly declarer: Declarer
  readonly registry: Registry
}

/** What this process knows of one group on one topic. */
export interface DeclaredGroup {
  readonly topic: string
  readonly group: string
  readonly delays: readonly Delay[]
  readonly place: Place | undefined
  /** Something of others that its dead letters go to. */
  readonly to?: ExchangeLetters | undefined
  readonly source?: OurSource | undefined
}

/** Neither retries nor dead letters of ours: it needs its queue and nothing else, and of a queue of others nothing at all. */
export function isBare({ delays, place }: Pick<DeclaredGroup, 'delays' | 'place'>): boolean {
  return delays.length === 0 && place === undefined
}

/** What there is on the broker, and makes it. */
export class Topology {
  readonly bindings: Bindings
  readonly #options: TopologyOptions
  readonly #groups = new Map<string, DeclaredGroup>()
  /** True once it is known to be there. */
  readonly #topics = new Map<string, Promise<void> | true>()
  /** By exchange. */
  readonly #earlier = new Map<string, string>()
  #mayCreate = true

  constructor(options: TopologyOptions) {
    this.#options = options
    this.bindings = new Bindings({ ...options, remakeTopic: (topic) => this.remakeTopic(topic) })
  }

  /** False where everything must be there already. */
  get mayCreate(): boolean {
    return this.#mayCreate
  }

  async ensure(wanted: Wanted, mode: 'create' | 'check'): Promise<readonly Difference[]> {
    this.#mayCreate = mode === 'create'
    const groups = wanted.groups.map((group) => this.#declared(group))
    await refuseMissing(groups, this.#options.declarer)
    // A topic that a source is read under is a name: there is nothing of it on the broker until somebody publishes to it.
    const names = new Set(groups.flatMap(({ topic, source }) => (source ? topic : [])))
    const published = wanted.topics.filter((topic) => !names.has(topic))
    const topics = [...new Set([...published, ...groups.flatMap(({ topic, source }) => (source ? [] : topic))])]
    await this.#lookAtTheirs(groups)
    const differences = await (mode === 'create' ? this.#create(topics, groups) : this.#check(topics, groups))
    if (differences.length > 0 && mode === 'create') return differences
    for (const topic of topics) this.#topics.set(topic, true)
    for (const group of groups) this.#groups.set(keyOf(group), group)
    return differences
  }

  /** Undefined until it was declared in this process. */
  group(topic: string, group: string): DeclaredGroup | undefined {
    return this.#groups.get(keyOf({ topic, group }))
  }

  /** The alternate exchange that a topic's own exchange has, where it is not as it is made now. */
  earlier(topic: string): string | undefined {
    return this.#earlier.get(this.#options.names.topic(topic))
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
    if (this.#mayCreate) await this.#open(topic)
  }

  async remakeGroup(topic: string, group: string): Promise<void> {
    const declared = this.group(topic, group) ?? { topic, group, delays: [], place: undefined }
    await this.#writeAgain([], [declared])
    await this.remake([workThing(this.#options.names, topic, group)])
  }

  /** @throws CorebusError TOPOLOGY for what is missing and may not be made, or is there and differs. */
  async remake(things: readonly Thing[]): Promise<void> {
    const { declarer } = this.#options
    const difference = this.#mayCreate ? await make(things, declarer) : (await look(things, declarer))[0]
    if (difference) throw new CorebusError('TOPOLOGY', `${difference.what}: wanted ${difference.wanted}, found ${difference.found}`)
    if (this.#mayCreate) await this.#writtenDown()
  }

  /** Before anything is made. One that is missing is a difference, as an exchange is. @throws CorebusError SOURCE for a queue of others that cannot be read */
  async #lookAtTheirs(groups: readonly DeclaredGroup[]): Promise<void> {
    for (const { topic, group, source } of groups) {
      if (!source || !('queue' in source)) continue
      await refuseOurs(source.queue, { topic, group }, this.#options)
      await lookAtTheirs(source.queue, this.#options.declarer, { topic, group })
    }
  }

  async #check(topics: readonly string[], groups: readonly DeclaredGroup[]): Promise<readonly Difference[]> {
    return look(this.#allThings(topics, groups), this.#options.declarer)
  }

  /** Looks at everything before it makes anything, and writes it down in between: whatever exists can be found. */
  async #create(topics: readonly string[], groups: readonly DeclaredGroup[]): Promise<readonly Difference[]> {
    const { registry, declarer } = this.#options
    const isOptional = groups.length > 0 && groups.every(isBare)
    const unlessOptional = (error: unknown) => (isOptional ? unlessForbidden(error) : Promise.reject(error))
    const entries = entriesOf(topics, groups)
    const all = this.#allThings(topics, groups)
    if (!this.#areWritten([...entries, ...all.flatMap(({ entry }) => entry ?? [])])) await registry.entries().catch(unlessOptional)
    const isNew = !this.#areWritten(entries)
    // A delay is everybody's, and made once.
    const things = all.filter(({ entry }) => !entry || !registry.has(entry))
    const list: Thing[] = isNew && !isOptional ? [this.#listThing()] : []
    const { differences, toMake, accepted } = await survey([...list, ...things], this.#laterBindings(groups), declarer)
    for (const { thing, found } of accepted) this.#earlier.set(thing, found)
    if (differences.length > 0) return differences
    await this.#write(entries, groups).catch((error: unknown) => unlessOptional(forbidden(error, 'the list of what there is')))
    const difference = await make(toMake, declarer)
    if (difference) return [difference]
    for (const topic of topics) await this.#open(topic)
    await registry.add(things.flatMap(({ entry }) => entry ?? []))
    if (isNew) await this.#writtenDown()
    return []
  }

  /** What is published to the topic comes to the groups, and where there is none, to what is kept for the first. */
  async #open(topic: string): Promise<void> {
    const { names, declarer, unclaimed } = this.#options
    if (unclaimed(topic) === false) {
      const queue = names.unclaimed(topic)
      // What it has stays there for a group that may come. Who may not let go of it keeps it as it is.
      await declarer
        .unlessMissing(async (channel) => ({ is: await channel.unbindQueue(queue, names.unclaimedExchange(topic), '') }))
        .catch(unlessForbidden)
    }
    if (!(await this.bindings.moveEarlier(topic))) return
    const difference = await make([topicBinding(names, topic)], declarer)
    if (difference) throw new CorebusError('TOPOLOGY', `${difference.what}: wanted ${difference.wanted}, found ${difference.found}`)
  }

  #declared({ topic, group, delays, deadLetter, source }: GroupTopology): DeclaredGroup {
    const { service, names } = this.#options
    const reads = source && sourceOf(source, { topic, group, names })
    const declared = { topic, group, delays, place: undefined, ...(reads && { source: reads }) }
    if (!deadLetter) return declared
    if ('to' in deadLetter) return { ...declared, to: letterTargetOf(deadLetter.to, { topic, group, names, source: reads }) }
    return { ...declared, place: placeOf(deadLetter, { topic, group, service, prefix: names.prefix }) }
  }

  #topicThings(topic: string): readonly Thing[] {
    return topicThings(this.#options.names, topic, this.#options.unclaimed(topic))
  }

  #allThings(topics: readonly string[], groups: readonly DeclaredGroup[]): readonly Thing[] {
    return unique([...topics.flatMap((topic) => this.#topicThings(topic)), ...groups.flatMap((group) => this.#groupThings(group))])
  }

  #groupThings(declared: DeclaredGroup): readonly Thing[] {
    const { names } = this.#options
    const { topic, group, place, source } = declared
    const things: Thing[] = []
    const what = `source of group ${group} on topic ${topic}`
    if (source && 'exchange' in source) things.push({ kind: 'their exchange', what, name: source.exchange })
    if (source && 'queue' in source) things.push({ kind: 'their queue', what, name: source.queue })
    if (isBare(declared)) return source && 'queue' in source ? things : [...things, workThing(names, topic, group)]
    things.push(givenUpThing(names, `group ${group}, topic ${topic}`), workThing(names, topic, group))
    if (place) things.push(placeThing(names, topic, group, place))
    return [...things, ...delaysThings(names, declared)]
  }

  /** Those of the groups' own queues. Of those only the rights are asked now. */
  #laterBindings(groups: readonly DeclaredGroup[]): readonly BindingThing[] {
    const { names } = this.#options
    return groups.flatMap((declared): readonly BindingThing[] => {
      const { topic, group, source } = declared
      if (source && 'queue' in source) return []
      const what = `group ${group} on topic ${topic}`
      const exchanges = source ? bindingsOf(declared).map(({ exchange }) => exchange) : [names.groups(topic)]
      // Should somebody make the queue in this very moment, it gets nothing by this.
      const key = randomUUID()
      const nothing = { key, arguments: { 'x-match': 'all', 'corebus-asked': key } }
      return [...new Set(exchanges)].map((from) => ({
        kind: 'binding',
        what,
        to: 'queue',
        name: names.work(topic, group),
        from,
        ...nothing,
      }))
    })
  }

  #listThing(): Thing {
    return { kind: 'queue', what: 'the list of what there is', name: this.#options.names.registry, options: registryStream }
  }

  #areWritten(entries: readonly Entry[]): boolean {
    return entries.every((entry) => this.#options.registry.has(entry))
  }

  async #write(entries: readonly Entry[], groups: readonly DeclaredGroup[]): Promise<void> {
    const { registry } = this.#options
    await registry.add(entries)
    await registry.renew(groups.filter(isListed).map(groupEntry))
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
    const isOptional = groups.length > 0 && groups.every(isBare)
    const unlessOptional = (error: unknown) => (isOptional ? unlessForbidden(error) : Promise.reject(error))
    await this.#options.registry.entries().catch(unlessOptional)
    await this.#write(entriesOf(topics, groups), groups).catch(unlessOptional)
  }
}

/** Of a group that reads a queue of others and has nothing beside it there is nothing to find. */
function isListed(declared: DeclaredGroup): boolean {
  return !(isBare(declared) && declared.source && 'queue' in declared.source)
}

function entriesOf(topics: readonly string[], groups: readonly DeclaredGroup[]): readonly Entry[] {
  return [...topics.map((topic): Entry => ({ kind: 'topic', topic })), ...groups.filter(isListed).map(groupEntry)]
}

function unreadable(error: unknown, registry: string): unknown {
  if (!(error instanceof CorebusError) || error.code !== 'ACCESS_REFUSED') return error
  const text = `the list of what there is: ${error.message}. Give the user the right to read ${registry}`
  return new CorebusError('ACCESS_REFUSED', text, { cause: error })
}

function groupEntry({ topic, group, place, to, source }: DeclaredGroup): GroupEntry {
  return { kind: 'group', topic, group, ...(place && { place }), ...(to && { to }), ...(source && { source }) }
}

function unique(things: readonly Thing[]): readonly Thing[] {
  return [...new Map(things.map((thing) => [`${thing.kind} ${thing.name} ${'from' in thing ? thing.from : ''}`, thing])).values()]
}

function keyOf({ topic, group }: { readonly topic: string; readonly group: string }): string {
  return JSON.stringify([topic, group])
}
