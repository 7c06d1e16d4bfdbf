import { CorebusError } from '../../errors.ts'
import { hashOf } from '../names.ts'

/** Where a message was published. */
export interface Address {
  readonly exchange: string
  readonly routingKey: string
}

/** Names on the broker. Topics and groups have no colon, so nothing of ours can be taken for something of another topic or group. */
export interface Names {
  readonly prefix: string
  /** The exchange that everybody publishes to. It may have a name of its own; everything else is named by the topic. */
  readonly topic: (topic: string) => string
  /** Where messages of a topic are published: its exchange, and its name as the routing key. */
  readonly home: (topic: string) => Address
  /** The exchange behind it, which the groups' queues are bound to. */
  readonly groups: (topic: string) => string
  /** Where that one sends what no queue takes, and the queue behind it. */
  readonly unclaimedExchange: (topic: string) => string
  readonly unclaimed: (topic: string) => string
  /** The queue of one group on one topic. */
  readonly work: (topic: string, group: string) => string
  /** Held by the one member of an exclusive group. */
  readonly owner: (topic: string, group: string) => string
  /** What members of an exclusive group gave back. */
  readonly handedBack: (topic: string, group: string) => string
  /** The exchange of all delays, and the queue of one, for the whole virtual host. */
  readonly delays: string
  readonly delay: (ms: number | '') => string
  /** The queue of a dead-letter place: its name, as far as the broker takes it. */
  readonly place: (place: string) => string
  /** A log of what was declared here: AMQP cannot list anything. */
  readonly registry: string
  /** A queue that is made only to be deleted. */
  readonly spare: (id: string) => string
  /** The exchange through which the members of groups talk, and the queue of one of them. */
  readonly members: string
  readonly member: (id: string) => string
  /** What the broker itself gives up on, after a million deliveries. */
  readonly givenUp: string
}

const LONGEST_BYTES = 255
const KEPT_CHARS = 50
const HASH_CHARS = 32

/** `exchanges`: by topic, what its exchange is called where that is not the topic's name. @throws CorebusError NAME for one that is another thing of ours */
export function namesWith(prefix: string, exchanges: Readonly<Record<string, string>> = {}): Names {
  const ours = `${prefix}corebus:`
  for (const [topic, exchange] of Object.entries(exchanges))
    if (exchange.startsWith(ours))
      throw new CorebusError(
        'NAME',
        `names.${topic}: an exchange of a topic cannot be called ${exchange}: what begins with ${ours} is ours`,
      )
  const name = (rest: string) => fitting(`${prefix}${rest}`)
  const said = new Map(Object.entries(exchanges))
  const exchange = (topic: string) => said.get(topic) ?? name(topic)
  return {
    prefix,
    topic: exchange,
    home: (topic) => ({ exchange: exchange(topic), routingKey: topic }),
    groups: (topic) => name(`${topic}:groups`),
    unclaimedExchange: (topic) => name(`${topic}:unclaimed`),
    unclaimed: (topic) => name(`${topic}.unclaimed`),
    work: (topic, group) => name(`${topic}:${group}`),
    owner: (topic, group) => name(`${topic}:${group}:owner`),
    handedBack: (topic, group) => name(`${topic}:${group}:handed-back`),
    delays: name('corebus:delay'),
    delay: (ms) => name(`corebus:delay.${ms}`),
    place: fitting,
    registry: name('corebus:topology'),
    spare: (id) => name(`corebus:spare.${id}`),
    members: name('corebus:members'),
    member: (id) => name(`corebus:member.${id}`),
    givenUp: name('corebus:given-up'),
  }
}

/** AMQP names have at most 255 bytes; of a longer one a part and a hash of all of it. */
function fitting(name: string): string {
  if (Buffer.byteLength(name) <= LONGEST_BYTES) return name
  return `${Array.from(name).slice(0, KEPT_CHARS).join('')}~${hashOf(name, HASH_CHARS)}`
}
