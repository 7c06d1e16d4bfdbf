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
  { group: name, topic, deadLetter }: GroupTopology,
  mode: 'create' | 'check',
): readonly Difference[] {
  const found = broker.topics.get(`${prefix}${topic}`)
  const group = mode === 'create' ? found?.group(name) : found?.groups.get(name)
  if (!group) return [{ what: `group "${name}" on topic "${topic}"`, wanted: 'exists', found: 'missing' }]
  if (group.deadLetterPlace === undefined && mode === 'create') group.deadLetterPlace = deadLetter
  const wanted = inWords(deadLetter)
  const declared = inWords(group.deadLetterPlace ?? {})
  return wanted === declared ? [] : [{ what: `dead letters of group "${name}" on topic "${topic}"`, wanted, found: declared }]
}

function inWords(place: DeadLetterPlace | false): string {
  if (!place) return 'none'
  return `${place.name ?? 'the default name'}, ${place.ttlMs === undefined ? 'kept until purged' : `kept ${place.ttlMs} ms`}`
}
