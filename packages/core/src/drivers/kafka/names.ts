import { hashOf } from '../names.ts'

/** Names on the broker. What is ours begins with `corebus.`; topics keep their own names. */
export interface Names {
  /** The topic that everybody publishes to. */
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
const KEPT_CHARS = 200
const HASH_CHARS = 12

export function namesWith(prefix: string): Names {
  const ours = `${prefix}corebus.`
  return {
    topic: (topic) => fitting(`${prefix}${topic}`),
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
