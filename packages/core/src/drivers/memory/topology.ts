import type { DeadLetterPlace, Difference, GroupTopology, Topology } from '../../driver.ts'
import type { Broker } from './broker.ts'

/** Groups and topics come into being here or with their first use; only the dead letters' place is an argument that may differ. */
export function ensureTopology(broker: Broker, prefix: string, topology: Topology, mode: 'create' | 'check'): readonly Difference[] {
  const topics = new Set([...topology.topics, ...topology.groups.map(({ topic }) => topic)])
  if (mode === 'create') for (const topic of topics) broker.topic(`${prefix}${topic}`)
  const missing = [...topics]
    .filter((topic) => !broker.topics.has(`${prefix}${topic}`))
    .map((topic) => ({ what: `topic "${topic}"`, wanted: 'exists', found: 'missing' }))
  return [...missing, ...topology.groups.flatMap((group) => ensureGroup(broker, prefix, group, mode))]
}

function ensureGroup(
  broker: Broker,
  prefix: string,
  { group: name, topic, ...declared }: GroupTopology,
  mode: 'create' | 'check',
): readonly Difference[] {
  const there = broker.topics.get(`${prefix}${topic}`)
  const group = mode === 'create' ? there?.group(name) : there?.groups.get(name)
  if (!group) return [{ what: `group "${name}" on topic "${topic}"`, wanted: 'exists', found: 'missing' }]
  // Without `letterTargets` there is no `to` here.
  const deadLetter = declared.deadLetter as DeadLetterPlace | false
  if (group.deadLetterPlace === undefined && mode === 'create') group.deadLetterPlace = deadLetter
  const wanted = inWords(deadLetter)
  const found = inWords(group.deadLetterPlace ?? {})
  return wanted === found ? [] : [{ what: `dead letters of group "${name}" on topic "${topic}"`, wanted, found }]
}

function inWords(place: DeadLetterPlace | false): string {
  if (!place) return 'none'
  return `${place.name ?? 'the default name'}, ${place.ttlMs === undefined ? 'kept until purged' : `kept ${place.ttlMs} ms`}`
}
