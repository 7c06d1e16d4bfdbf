import { CorebusError } from '../../errors.ts'
import { hashOf } from '../names.ts'

/** Names on the broker. What is ours begins with `corebus.`; topics keep their own names. */
export interface Names {
  /** The topic that everybody publishes to: as the user calls it here, or by its name. */
  readonly topic: (topic: string) => string
  readonly group: (group: string) => string
  /** What comes back to one group: retries that are due, and replayed dead letters. Its partitions are those of the topic. */
  readonly again: (topic: string, group: string) => string
  /** What waits for its retry, for all topics of a group. */
  readonly delay: (group: string, ms: number) => string
  readonly place: (place: string) => string
  /** What was declared here, so that tools know of it. */
  readonly registry: string
  /** What members of groups say of themselves. */
  readonly members: string
  /** Asked for the broker's time. */
  readonly clock: string
  readonly isOurs: (name: string) => boolean
}

const LONGEST = 249
const LEGAL = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/
const KEPT_CHARS = 200
const HASH_CHARS = 12

/** @throws CorebusError NAME for one that Kafka does not take, or that is ours */
export function namesWith(prefix: string, given: Readonly<Record<string, string>> = {}): Names {
  const ours = `${prefix}corebus.`
  for (const [topic, name] of Object.entries(given)) {
    const why = !LEGAL.test(name)
      ? 'Kafka takes 1 to 249 of A-Z a-z 0-9 . _ -'
      : name.startsWith(ours)
        ? `what begins with ${ours} is ours`
        : undefined
    if (why) throw new CorebusError('NAME', `names.${topic}: a topic cannot be called ${JSON.stringify(name)}: ${why}`)
  }
  return {
    topic: (topic) => (Object.hasOwn(given, topic) ? (given[topic] as string) : fitting(`${prefix}${topic}`)),
    group: (group) => `${prefix}${group}`,
    again: (topic, group) => fitting(`${ours}again.${pair(topic, group)}`),
    delay: (group, ms) => fitting(`${ours}delay.${group}.${ms}`),
    place: fitting,
    registry: `${ours}topology`,
    members: `${ours}members`,
    clock: `${ours}clock`,
    isOurs: (name) => name.startsWith(ours),
  }
}

/** With a dot in either it would not be clear where one ends: then a hash says it. */
function pair(topic: string, group: string): string {
  const plain = `${topic}.${group}`
  return `${topic}${group}`.includes('.') ? `${plain}.${hashOf(`${topic}\0${group}`, HASH_CHARS)}` : plain
}

function fitting(name: string): string {
  return name.length <= LONGEST ? name : `${name.slice(0, KEPT_CHARS)}.${hashOf(name, HASH_CHARS)}`
}
