import { monotonic } from '../../clock.ts'
import type { Clock, DeadLetterPlace, Difference, GroupTopology, Topology } from '../../driver.ts'
import { resolvePlace } from '../names.ts'
import type { Connection } from './connection.ts'
import type { Place } from './dead-letters.ts'
import type { Topic, Topics } from './topics.ts'
import type { Transaction } from './transaction.ts'

export interface EnsureOptions {
  readonly connection: Connection
  readonly topics: Topics
  readonly clock: Clock
  readonly service: string
  readonly prefix: string
  readonly timeoutMs: number
}

export interface Declarations {
  ensure(topology: Topology, mode: 'create' | 'check'): Promise<readonly Difference[]>
  /** Where the dead letters of a group go: as it was declared first, else the default. */
  placeOf(topic: string, group: string): Place
  /** Declares everything again, in a new file. */
  again(): Promise<void>
}

/** Topics need nothing but a name; the place of a group's dead letters is kept in the file, so that two that disagree find out. */
export function declarations({ connection, topics, clock, service, prefix, timeoutMs }: EnsureOptions): Declarations {
  const known = new Set<string>()
  const places = new Map<string, Place>()
  const declared: GroupTopology[] = []

  function find({ topic, group }: GroupTopology): Place | undefined {
    const id = topics.find(prefix + topic)?.id
    const row = id === undefined ? undefined : connection.row('SELECT name, ttl_ms FROM places WHERE grp = ? AND topic_id = ?', group, id)
    return row && { name: String(row[0]), ...(row[1] === null ? {} : { ttlMs: Number(row[1]) }) }
  }

  function wanted(topic: string, group: string, declared: DeadLetterPlace): Place {
    return resolvePlace(declared, { topic, group, service, prefix })
  }

  function differences({ topics: names, groups }: Topology): readonly Difference[] {
    const missing = allTopics(names, groups).filter((topic) => !topics.find(prefix + topic))
    return [
      ...missing.map((topic) => ({ what: `topic "${topic}"`, wanted: 'exists', found: 'missing' })),
      ...groups.flatMap((group) => difference(group)),
    ]
  }

  function difference(declaration: GroupTopology): readonly Difference[] {
    const { topic, group } = declaration
    const deadLetter = ownPlaceOf(declaration)
    if (!deadLetter) return []
    const found = find(declaration)
    if (found) places.set(placeKey(topic, group), found)
    const words = { wanted: inWords(wanted(topic, group, deadLetter)), found: found ? inWords(found) : 'missing' }
    return words.wanted === words.found ? [] : [{ what: `dead letters of group "${group}" on topic "${topic}"`, ...words }]
  }

  function create({ topics: names, groups }: Topology, tx: Transaction): void {
    for (const name of allTopics(names, groups)) topics.findOrCreate(prefix + name, tx)
    for (const { topic, group, ...declaration } of groups) {
      const deadLetter = ownPlaceOf(declaration)
      if (!deadLetter) continue
      const { name, ttlMs = null } = wanted(topic, group, deadLetter)
      const { id } = topics.find(prefix + topic) as Topic
      connection.run('INSERT OR IGNORE INTO places (grp, topic_id, name, ttl_ms) VALUES (?, ?, ?, ?)', group, id, name, ttlMs)
    }
  }

  const compare = (topology: Topology) => connection.read(() => differences(topology), monotonic(clock) + timeoutMs)

  return {
    async ensure(topology, mode) {
      const before = await compare(topology)
      if (mode === 'check') return before
      for (const name of allTopics(topology.topics, topology.groups)) known.add(name)
      declared.push(...topology.groups)
      if (before.every(({ found }) => found !== 'missing')) return before
      await connection.write((tx) => create(topology, tx), { until: monotonic(clock) + timeoutMs })
      return compare(topology)
    },
    placeOf: (topic, group) => places.get(placeKey(topic, group)) ?? wanted(topic, group, {}),
    async again() {
      if (known.size > 0) await connection.write((tx) => create({ topics: [...known], groups: declared }, tx))
    },
  }
}

function allTopics(names: readonly string[], groups: readonly GroupTopology[]): readonly string[] {
  return [...new Set([...names, ...groups.map(({ topic }) => topic)])]
}

function inWords({ name, ttlMs }: Place): string {
  return `in ${name}, ${ttlMs === undefined ? 'kept until purged' : `kept ${ttlMs} ms`}`
}

function placeKey(topic: string, group: string): string {
  return JSON.stringify([topic, group])
}

/** Without `letterTargets` a driver is asked for nothing of others. */
function ownPlaceOf({ deadLetter }: Pick<GroupTopology, 'deadLetter'>): DeadLetterPlace | false {
  return deadLetter as DeadLetterPlace | false
}
