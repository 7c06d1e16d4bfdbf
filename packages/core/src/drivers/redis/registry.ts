import { answersOf } from './answers.ts'
import type { Names } from './names.ts'
import { listOf, type Nodes } from './nodes.ts'
import { MADE } from './scripts/common.ts'

export interface RegistryOptions {
  readonly names: Names
  readonly nodes: Nodes
  readonly where: string
  readonly signal: AbortSignal
}

/** Where one group's messages of one topic come from, and where its dead letters lie. */
export interface Place {
  readonly topic: string
  readonly group: string
  /** In full, as people name it. Without one the group has no dead letters. */
  readonly name?: string
  readonly ttlMs?: number
  /** A stream of others that its dead letters go to, where nobody here looks for them. */
  readonly to?: string
  /** A stream of others that the group reads instead of the topic's. */
  readonly source?: string
  /** Its group was removed: what lies there is found, and who declares it again says anew how long it is kept. */
  readonly gone?: true
}

/** What a topic was declared. */
export interface Declared {
  readonly stream: string
  readonly places: readonly Place[]
}

/** The field of a topic that has another key than its name. */
const KEY = 'key'

/** What was declared is written down in hashes beside the streams, so that every process, also a tool, finds it. */
export class Registry {
  readonly #options: RegistryOptions
  readonly #said: <T>(ask: () => Promise<T>) => Promise<T>

  constructor(options: RegistryOptions) {
    this.#options = options
    this.#said = answersOf(options)
  }

  async topics(): Promise<readonly string[]> {
    const { names, nodes } = this.#options
    return listOf(await this.#said(() => nodes.send(names.topics, ['SMEMBERS', names.topics]))).map(String)
  }

  async has(topic: string): Promise<boolean> {
    const { names, nodes } = this.#options
    return (await this.#said(() => nodes.send(names.topics, ['SISMEMBER', names.topics, topic]))) === 1
  }

  /** Also of a topic that another process calls by a key of its own. */
  async declared(topic: string): Promise<Declared> {
    const { names } = this.#options
    const stream = names.stream(topic)
    const found = await this.#fields(names.declared(stream))
    const key = found.get(KEY)
    if (key === undefined || found.has(MADE) || names.note(topic) !== names.declared(stream))
      return { stream, places: placesIn(topic, found) }
    return { stream: key, places: [...placesIn(topic, found), ...placesIn(topic, await this.#fields(names.declared(key)))] }
  }

  /** Of the group as it was last declared, its own stream or the one of others. */
  async streamOf(topic: string, group: string): Promise<string> {
    const { stream, places } = await this.declared(topic)
    return places.find((place) => place.group === group && !place.gone)?.source ?? stream
  }

  /** What whoever watches a topic sees: where no group reads its own stream, the one of others that is read under its name. */
  async readAs(topic: string): Promise<string> {
    const { stream, places } = await this.declared(topic)
    const there = places.filter(({ gone }) => !gone)
    const [first] = there
    return first?.source !== undefined && there.every(({ source }) => source !== undefined) ? first.source : stream
  }

  /** The part of a topic of the place where a group's letters lie. */
  keyOf({ topic, source, name = '' }: Place, stream: string): string {
    const { names } = this.#options
    return source === undefined ? names.place(stream, name) : names.placeOf(source, topic, name)
  }

  async note(topic: string): Promise<void> {
    const { names, nodes } = this.#options
    const [stream, key] = [names.stream(topic), names.note(topic)]
    // It may have been called otherwise before.
    if (key !== names.declared(stream)) await this.#said(() => nodes.send(key, ['HSET', key, KEY, stream]))
    await this.#said(() => nodes.send(names.topics, ['SADD', names.topics, topic]))
  }

  /** Writes it down unless it is: then what is written down is returned. One that is gone is declared anew. */
  async declare(place: Place): Promise<Place | undefined> {
    const { names, nodes } = this.#options
    const key = names.declared(names.stream(place.topic))
    const made = await this.#said(() => nodes.send(key, ['HSETNX', key, fieldOf(place), asValue(place)]))
    const before = made === 1 ? undefined : await this.find(place)
    if (before && !before.gone && before.to === place.to) return before
    if (made !== 1) await this.#write(place)
    // Whoever asks where the group reads, and where its dead letters go, finds one answer.
    const isOver = (other: Place) => fieldOf(other) !== fieldOf(place) && (other.source !== place.source || other.to !== place.to)
    await this.retire(place.topic, place.group, isOver)
    return undefined
  }

  async find(place: Place): Promise<Place | undefined> {
    const { names, nodes } = this.#options
    const key = names.declared(names.stream(place.topic))
    const value = await this.#said(() => nodes.send(key, ['HGET', key, fieldOf(place)]))
    return typeof value === 'string' ? placeIn(place.topic, fieldOf(place), value)[0] : undefined
  }

  /** What a group had declared that is removed, or reads something else now. */
  async retire(topic: string, group: string, isOver: (place: Place) => boolean = () => true): Promise<void> {
    const { places } = await this.declared(topic)
    for (const place of places) if (place.group === group && !place.gone && isOver(place)) await this.#write({ ...place, gone: true })
  }

  async #write(place: Place): Promise<void> {
    const { names, nodes } = this.#options
    const key = names.declared(names.stream(place.topic))
    await this.#said(() => nodes.send(key, ['HSET', key, fieldOf(place), asValue(place)]))
  }

  async #fields(key: string): Promise<ReadonlyMap<string, string>> {
    const { nodes } = this.#options
    const all = listOf(await this.#said(() => nodes.send(key, ['HGETALL', key]))).map(String)
    return new Map(all.flatMap((field, i) => (i % 2 === 0 ? [[field, all[i + 1] ?? '']] : [])))
  }
}

const fieldOf = ({ group, name, source }: Place): string =>
  JSON.stringify(source !== undefined ? [group, name ?? null, source] : name === undefined ? [group] : [group, name])
const asValue = ({ ttlMs, to, gone }: Place): string =>
  JSON.stringify({ ...(ttlMs !== undefined && { ttlMs }), ...(to !== undefined && { to }), ...(gone && { gone }) })

function placesIn(topic: string, fields: ReadonlyMap<string, string>): readonly Place[] {
  return [...fields].flatMap(([field, value]) => placeIn(topic, field, value))
}

/** None for what somebody else wrote. */
function placeIn(topic: string, field: string, value: string): readonly Place[] {
  if (!field.startsWith('[')) return []
  try {
    const [group, name, source]: [string, (string | null)?, string?] = JSON.parse(field)
    const { ttlMs, to, gone }: { ttlMs?: number; to?: string; gone?: true } = JSON.parse(value)
    const place = { topic, group, ...(typeof name === 'string' && { name }), ...(source !== undefined && { source }) }
    return [{ ...place, ...(ttlMs !== undefined && { ttlMs }), ...(to !== undefined && { to }), ...(gone && { gone }) }]
  } catch {
    return []
  }
}
