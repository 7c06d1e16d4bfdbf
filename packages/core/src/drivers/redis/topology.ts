import type { Difference, GroupTopology, Topology as Wanted } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { resolvePlace } from '../names.ts'
import { throwIfShut } from './entrance.ts'
import { noStream, notMadeHere, readTwice, refusalOf, wrongSource } from './failure.ts'
import { letterStreamOf, refuseMissing } from './letter-target.ts'
import { keysOf, type Names } from './names.ts'
import type { Nodes } from './nodes.ts'
import type { Place, Registry } from './registry.ts'
import { lookForOthers } from './scripts/member.ts'
import { lookAtStream, makeStream, mayNote } from './scripts/topic.ts'

export interface TopologyOptions {
  readonly names: Names
  readonly service: string
  readonly nodes: Nodes
  readonly registry: Registry
  readonly where: string
  readonly signal: AbortSignal
}

/** A group as it is wanted. */
interface Group extends Place {
  readonly shared: boolean
  /** Nothing of it is ever stored in a place of ours, so nobody has to know where that would be. */
  readonly keepsNothing: boolean
}

type Mode = 'create' | 'check'

/** What there is: streams, groups and places come into being when they are needed, so what was declared is written down. */
export class Topology {
  readonly #options: TopologyOptions
  readonly #groups = new Map<string, Place>()
  /** True once it is written down, or known to be there where nothing may be made. */
  readonly #topics = new Map<string, Promise<void> | true>()

  #mode: Mode = 'create'

  constructor(options: TopologyOptions) {
    this.#options = options
  }

  /** Looks at all of it before anything is made, so that a start that is refused leaves nothing behind. */
  async ensure(wanted: Wanted, mode: Mode): Promise<readonly Difference[]> {
    this.#mode = mode
    const groups = wanted.groups.map((group) => this.#groupOf(group))
    const only = new Set(groups.flatMap(({ topic, source }) => (source === undefined ? [] : [topic])))
    const ofGroups = groups.flatMap(({ topic, source }) => (source === undefined ? [topic] : []))
    const topics = new Set([...wanted.topics.filter((topic) => !only.has(topic)), ...ofGroups])
    this.#refuseTwice(groups)
    return this.#insist(async () => {
      for (const group of groups) {
        await this.#lookAtGroup(group, mode)
        await refuseMissing(group, this.#options.nodes)
      }
      for (const topic of topics) await this.#lookAtTopic(topic, mode)
      if (mode === 'check') return this.#check([...topics], groups)
      await this.#mayNote()
      for (const topic of topics) await this.#write(topic)
      for (const topic of only) await this.#options.registry.note(topic)
      const differences = await Promise.all(groups.map((group) => this.#declare(group)))
      return differences.filter((difference) => difference !== undefined)
    })
  }

  /** Whether what is missing is made. */
  get mayMake(): boolean {
    return this.#mode === 'create'
  }

  /** Undefined until it was declared in this process. */
  group(topic: string, group: string): Place | undefined {
    return this.#groups.get(keyOf({ topic, group }))
  }

  /** Undefined when the topic is known to be written down. */
  topic(topic: string): Promise<void> | undefined {
    const known = this.#topics.get(topic)
    if (known !== undefined) return known === true ? undefined : known
    const written = this.#insist(() => this.#remade(topic)).catch((error: unknown) => {
      this.#topics.delete(topic)
      throw error
    })
    this.#topics.set(topic, written)
    return written
  }

  /** The server may have lost all it had, or this topic. */
  forget(...topics: readonly string[]): void {
    for (const [topic, known] of this.#topics)
      if (known === true && (topics.length === 0 || topics.includes(topic))) this.#topics.delete(topic)
  }

  async remake(topic: string, group: string): Promise<void> {
    if (!this.mayMake) return
    const place = this.group(topic, group) ?? { topic, group }
    if (place.source === undefined) await this.#write(topic)
    else await this.#options.registry.note(topic)
    await this.#options.registry.declare(place)
  }

  #groupOf({ topic, group, deadLetter, delays, source, shared = false }: GroupTopology): Group {
    const { service, names } = this.#options
    if (source && !('stream' in source)) throw wrongSource({ topic, group }, source)
    const isTheirs = deadLetter && 'to' in deadLetter
    const to = isTheirs ? letterStreamOf(deadLetter.to, { topic, group }, source?.stream ?? names.stream(topic)) : undefined
    const place = deadLetter && !isTheirs && resolvePlace(deadLetter, { topic, group, service, prefix: names.prefix })
    return {
      topic,
      group,
      shared,
      keepsNothing: !place && delays.length === 0,
      ...(place && place),
      ...(to !== undefined && { to }),
      ...(source && { source: source.stream }),
    }
  }

  /** Topics are names: two of one stream would be one group, each of which gets a part. */
  #refuseTwice(groups: readonly Group[]): void {
    const { names } = this.#options
    const read = new Map<string, Group>()
    for (const group of groups) {
      const stream = group.source ?? names.stream(group.topic)
      const key = JSON.stringify([group.group, stream])
      const other = read.get(key)
      if (other && other.topic !== group.topic) throw readTwice(group.group, stream, [other.topic, group.topic])
      read.set(key, group)
    }
  }

  /** @throws GROUP_FOREIGN, SOURCE, REFUSED, ACCESS_REFUSED */
  async #lookAtGroup({ topic, group, source, shared }: Group, mode: Mode): Promise<void> {
    const { names, nodes } = this.#options
    const stream = source ?? names.stream(topic)
    const args = [group, '', shared ? '1' : '0', mode === 'create' ? '1' : '0']
    const reply = await nodes.run(lookForOthers, keysOf(names, stream, group), args)
    // What a check lacks is told with all else that it lacks.
    throwIfShut(reply, { topic, group, stream, isSource: source !== undefined }, true)
  }

  /** @throws REFUSED, ACCESS_REFUSED */
  async #lookAtTopic(topic: string, mode: Mode): Promise<void> {
    const { names, nodes } = this.#options
    const stream = names.stream(topic)
    const said = await nodes.run(lookAtStream, [stream, names.declared(stream)], [mode === 'create' ? '1' : '0'])
    if (said === 'no stream') throw noStream(stream, false)
    if (mode === 'check' && said === 'there') this.#topics.set(topic, true)
  }

  async #mayNote(): Promise<void> {
    const { names, nodes } = this.#options
    await nodes.run(mayNote, [names.topics], [])
  }

  async #check(topics: readonly string[], groups: readonly Group[]): Promise<readonly Difference[]> {
    const differences: (Difference | undefined)[] = []
    for (const topic of topics) {
      if (this.#topics.get(topic) !== true) differences.push({ what: `topic ${topic}`, wanted: 'declared', found: 'missing' })
    }
    for (const group of groups) {
      if (!group.keepsNothing) differences.push(differenceOf(group, await this.#options.registry.find(group)))
      this.#groups.set(keyOf(group), group)
    }
    return differences.filter((difference) => difference !== undefined)
  }

  /** Where nothing may be made, what is there is enough. @throws TOPOLOGY */
  async #remade(topic: string): Promise<void> {
    if (this.mayMake) return this.#write(topic)
    await this.#lookAtTopic(topic, 'check')
    if (this.#topics.get(topic) !== true) throw notMadeHere(topic, this.#options.names.stream(topic))
  }

  async #write(topic: string): Promise<void> {
    const { names, nodes, registry } = this.#options
    const stream = names.stream(topic)
    if (String(await nodes.run(makeStream, [stream, names.declared(stream)], [])) === 'no stream') throw noStream(stream, false)
    await registry.note(topic)
    this.#topics.set(topic, true)
  }

  async #declare(group: Group): Promise<Difference | undefined> {
    const before = await this.#options.registry.declare(group)
    this.#groups.set(keyOf(group), group)
    return before && differenceOf(group, before)
  }

  async #insist<T>(work: () => Promise<T>): Promise<T> {
    const { nodes, signal, where } = this.#options
    try {
      return await nodes.insist(work, signal)
    } catch (thrown) {
      throw refusalOf(thrown, where)
    }
  }
}

function keyOf({ topic, group }: { readonly topic: string; readonly group: string }): string {
  return JSON.stringify([topic, group])
}

function differenceOf(place: Place, found: Place | undefined): Difference | undefined {
  const what = `group ${place.group} on topic ${place.topic}`
  if (!found || found.gone) return { what, wanted: 'declared', found: 'missing' }
  if (found.ttlMs === place.ttlMs) return undefined
  return { what: `${what}, dead letters ${place.name}`, wanted: keptFor(place), found: keptFor(found) }
}

const keptFor = (place: Place): string => (place.ttlMs === undefined ? 'kept for ever' : `kept for ${place.ttlMs} ms`)

/** @throws NO_PLACE */
export function placeFor(topology: Topology, topic: string, group: string): Place & { readonly name: string; readonly ttlMs: number } {
  const place = topology.group(topic, group)
  if (place?.name === undefined)
    throw new CorebusError('NO_PLACE', `group ${group} on topic ${topic} declared no dead letters, and has one`)
  return { ...place, name: place.name, ttlMs: place.ttlMs ?? 0 }
}
