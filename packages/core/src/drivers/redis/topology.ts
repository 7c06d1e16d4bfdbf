import type { Difference, GroupTopology, Topology as Wanted } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { resolvePlace } from '../names.ts'
import { heldByOthers, refusalOf } from './failure.ts'
import { keysOf, type Names } from './names.ts'
import { listOf, type Nodes } from './nodes.ts'
import { lookForOthers } from './scripts/member.ts'
import { makeStream } from './scripts/topic.ts'

export interface TopologyOptions {
  readonly names: Names
  readonly service: string
  readonly nodes: Nodes
  readonly where: string
  readonly signal: AbortSignal
}

/** Where one group's dead letters of one topic lie. */
export interface Place {
  readonly topic: string
  readonly group: string
  /** In full, as people name it. Without one the group has no dead letters. */
  readonly name?: string
  readonly ttlMs?: number
  /** Its group was removed: what lies there is found, and who declares it again says anew how long it is kept. */
  readonly gone?: true
}

/** What there is: streams, groups and places come into being when they are needed, so what was declared is written down. */
export class Topology {
  readonly #options: TopologyOptions
  readonly #groups = new Map<string, Place>()
  /** True once it is written down. */
  readonly #topics = new Map<string, Promise<void> | true>()

  constructor(options: TopologyOptions) {
    this.#options = options
  }

  async ensure(wanted: Wanted, mode: 'create' | 'check'): Promise<readonly Difference[]> {
    const topics = [...new Set([...wanted.topics, ...wanted.groups.map(({ topic }) => topic)])]
    const groups = wanted.groups.map((group) => this.#placeOf(group))
    return this.#insist(async () => {
      if (mode === 'create') for (const { topic, group } of groups) await this.#refuseOthers(topic, group)
      const differences: Difference[] = []
      for (const topic of topics) {
        if (mode === 'create') await this.#write(topic)
        else if (!(await this.#isWritten(topic))) differences.push({ what: `topic ${topic}`, wanted: 'declared', found: 'missing' })
      }
      for (const place of groups) {
        const difference = mode === 'create' ? await this.#declare(place) : await this.#look(place)
        if (difference) differences.push(difference)
        this.#groups.set(keyOf(place), place)
      }
      return differences
    })
  }

  /** Undefined until it was declared in this process. */
  group(topic: string, group: string): Place | undefined {
    return this.#groups.get(keyOf({ topic, group }))
  }

  /** Undefined when the topic is known to be written down. */
  topic(topic: string): Promise<void> | undefined {
    const known = this.#topics.get(topic)
    if (known !== undefined) return known === true ? undefined : known
    const written = this.#insist(() => this.#write(topic)).catch((error: unknown) => {
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
    await this.#write(topic)
    await this.#declare(this.group(topic, group) ?? { topic, group })
  }

  /** All of them, or those of `names` that there are. */
  async topics(names?: readonly string[]): Promise<readonly string[]> {
    const { topics } = this.#options.names
    if (!names) return listOf(await this.#insist(() => this.#options.nodes.send(topics, ['SMEMBERS', topics]))).map(String)
    const there = await Promise.all([...new Set(names)].map(async (topic) => ((await this.#isWritten(topic)) ? topic : undefined)))
    return there.filter((topic) => topic !== undefined)
  }

  async places(topic: string): Promise<readonly Place[]> {
    const { names, nodes } = this.#options
    const key = names.declared(topic)
    const all = listOf(await this.#insist(() => nodes.send(key, ['HGETALL', key])))
    return all.flatMap((field, i) => (i % 2 === 0 ? placeIn(topic, String(field), String(all[i + 1])) : []))
  }

  /** Before anything is made. @throws GROUP_DEAD */
  async #refuseOthers(topic: string, group: string): Promise<void> {
    const { names, nodes } = this.#options
    const [said, name, pending] = listOf(await nodes.run(lookForOthers, keysOf(names, topic, group), [group]))
    if (said === 'foreign') throw heldByOthers({ topic, group, name: String(name), pending: Number(pending) })
  }

  #placeOf({ topic, group, deadLetter }: GroupTopology): Place {
    const { service, names } = this.#options
    if (!deadLetter) return { topic, group }
    return { topic, group, ...resolvePlace(deadLetter, { topic, group, service, prefix: names.prefix }) }
  }

  async #write(topic: string): Promise<void> {
    const { names, nodes } = this.#options
    await nodes.run(makeStream, [names.stream(topic), names.declared(topic)], [])
    await nodes.send(names.topics, ['SADD', names.topics, topic])
    this.#topics.set(topic, true)
  }

  async #isWritten(topic: string): Promise<boolean> {
    const { names, nodes } = this.#options
    return (await nodes.send(names.topics, ['SISMEMBER', names.topics, topic])) === 1
  }

  async #declare(place: Place): Promise<Difference | undefined> {
    const { names, nodes } = this.#options
    const key = names.declared(place.topic)
    const made = await nodes.send(key, ['HSETNX', key, fieldOf(place), asValue(place)])
    if (made === 1) return undefined
    const before = await this.#find(place)
    if (!before?.gone) return this.#look(place)
    await nodes.send(key, ['HSET', key, fieldOf(place), asValue(place)])
    return undefined
  }

  /** What a removed group had declared. */
  async retire(topic: string, group: string): Promise<void> {
    const { names, nodes } = this.#options
    const key = names.declared(topic)
    for (const place of await this.places(topic))
      if (place.group === group) await this.#insist(() => nodes.send(key, ['HSET', key, fieldOf(place), asValue({ ...place, gone: true })]))
  }

  async #find(place: Place): Promise<Place | undefined> {
    const { names, nodes } = this.#options
    const key = names.declared(place.topic)
    const value = await nodes.send(key, ['HGET', key, fieldOf(place)])
    return typeof value === 'string' ? placeIn(place.topic, fieldOf(place), value)[0] : undefined
  }

  async #look(place: Place): Promise<Difference | undefined> {
    const { topic, group, name } = place
    const what = `group ${group} on topic ${topic}`
    const found = await this.#find(place)
    if (!found || found.gone) return { what, wanted: 'declared', found: 'missing' }
    if (found.ttlMs === place.ttlMs) return undefined
    return { what: `${what}, dead letters ${name}`, wanted: keptFor(place), found: keptFor(found) }
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

const fieldOf = ({ group, name }: Place): string => JSON.stringify(name === undefined ? [group] : [group, name])
const asValue = ({ ttlMs, gone }: Place): string => JSON.stringify({ ...(ttlMs !== undefined && { ttlMs }), ...(gone && { gone }) })
const keptFor = (place: Place | undefined): string => (place?.ttlMs === undefined ? 'kept for ever' : `kept for ${place.ttlMs} ms`)

/** None for what somebody else wrote. */
function placeIn(topic: string, field: string, value: string): readonly Place[] {
  try {
    const [group, name]: [string, string?] = JSON.parse(field)
    const { ttlMs, gone }: { ttlMs?: number; gone?: true } = JSON.parse(value)
    return [{ topic, group, ...(name !== undefined && { name }), ...(ttlMs !== undefined && { ttlMs }), ...(gone && { gone }) }]
  } catch {
    return []
  }
}

/** @throws NO_PLACE */
export function placeFor(topology: Topology, topic: string, group: string): { readonly name: string; readonly ttlMs: number } {
  const { name, ttlMs = 0 } = topology.group(topic, group) ?? {}
  if (name === undefined) throw new CorebusError('NO_PLACE', `group ${group} on topic ${topic} declared no dead letters, and has one`)
  return { name, ttlMs }
}
