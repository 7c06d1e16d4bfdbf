import type { Difference } from '../../driver.ts'
import type { Names } from './names.ts'
import type { NewTopic } from './protocol/client.ts'
import { type Entry, keepsNothing, readBy } from './registry.ts'

/** A topic of the broker that somebody needs. */
export interface Needed extends NewTopic {
  /** In words. */
  readonly what: string
  /** Whose messages are copied into it, by their names on the broker. */
  readonly copiesOf?: readonly string[]
}

export interface NeededOptions {
  readonly names: Names
  /** Topics of others, by their names on the broker: nobody needs to make them. */
  readonly others: ReadonlySet<string>
  /** How many a topic of the broker has, or is to have. */
  readonly partitionsOf: (name: string) => number
}

/** What lies here is stamped by the broker: the times of the originals would let it go too early. */
const STAMPED = { 'message.timestamp.type': 'LogAppendTime' }
const KEPT = { 'cleanup.policy': 'compact', 'retention.ms': '-1' }
/** Said again and again, so only the last hour matters. */
const NOTES = { 'cleanup.policy': 'compact,delete', 'retention.ms': '3600000', 'segment.ms': '600000', ...STAMPED }
const SHORT = { 'retention.ms': '3600000', ...STAMPED }

/** What all groups share. The notes of members are made when the first is told. */
export const SHARED = (names: Names): readonly [registry: NewTopic, clock: NewTopic, members: NewTopic] => [
  { topic: names.registry, partitions: 1, config: KEPT },
  { topic: names.clock, partitions: 1, config: SHORT },
  { topic: names.members, partitions: 1, config: NOTES },
]

/** The topics that these topics and groups need, each once. */
export function neededBy(
  topics: readonly string[],
  entries: readonly Entry[],
  { names, others, partitionsOf }: NeededOptions,
): readonly Needed[] {
  const needed = new Map<string, Needed>()
  const need = (one: Needed) => {
    const before = needed.get(one.topic)
    const copiesOf = [...new Set([...(before?.copiesOf ?? []), ...(one.copiesOf ?? [])])]
    needed.set(one.topic, { ...(before ?? one), ...(copiesOf.length > 0 && { copiesOf }) })
  }
  const read = entries.map((entry): [topic: string, name: string] => [entry.topic, readBy(entry, names)])
  for (const [topic, name] of [...topics.map((topic): [string, string] => [topic, names.topic(topic)]), ...read])
    if (!others.has(name)) need({ what: `topic ${topic}`, topic: name, partitions: partitionsOf(name), config: {} })
  for (const entry of entries.filter((one) => !keepsNothing(one))) for (const one of besides(entry, { names, partitionsOf })) need(one)
  return [...needed.values()]
}

/** What a group needs beside the topic that it reads. */
function besides(entry: Entry, { names, partitionsOf }: Omit<NeededOptions, 'others'>): readonly Needed[] {
  const { group, topic, delays, place } = entry
  const copiesOf = [readBy(entry, names)]
  const [registry, clock] = SHARED(names)
  return [
    {
      copiesOf,
      what: `what comes back to ${group} on ${topic}`,
      topic: names.again(topic, group),
      partitions: partitionsOf(readBy(entry, names)),
      config: STAMPED,
    },
    ...delays
      .filter(({ afterMs }) => afterMs > 0)
      .map(({ afterMs }) => {
        const what = `the delay of ${afterMs} ms of ${group} on ${topic}`
        return { copiesOf, what, topic: names.delay(group, afterMs), partitions: 1, config: STAMPED }
      }),
    ...[registry, clock].map((one) => ({ what: `what all groups share, for ${group} on ${topic}`, ...one })),
    ...(place
      ? [{ copiesOf, what: `the dead letters of ${group} on ${topic}`, topic: names.place(place.name), partitions: 1, config: KEPT }]
      : []),
  ]
}

/** So that whoever may make it knows how. */
export function lacking({ what, topic, partitions, config }: Needed): Difference {
  const settings = Object.entries(config).map(([name, value]) => `, ${name}=${value}`)
  const wanted = `topic ${topic} with ${partitions} ${partitions === 1 ? 'partition' : 'partitions'}${settings.join('')}`
  return { what, wanted, found: 'nothing' }
}
