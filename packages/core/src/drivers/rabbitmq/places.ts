import type { Channel } from 'amqplib'
import type { DeadLetterPlace, Delay, GroupTopology } from '../../driver.ts'
import { resolvePlace } from '../names.ts'
import { deadLetterQueue, delayQueue, givenUpQueue, unclaimedQueue, workQueue } from './declare.ts'
import { placesOf } from './delays.ts'
import type { Names } from './names.ts'
import type { Entry, Place } from './registry.ts'

/** One thing on the broker: how it is made, and how one sees that it is there. */
export interface Thing {
  /** For people. */
  readonly what: string
  readonly kind: 'exchange' | 'queue'
  readonly name: string
  readonly make: (channel: Channel) => Promise<unknown>
  /** Everywhere the same: once it is written down that somebody made it, it is not made again. */
  readonly entry?: Entry
}

export interface Unclaimed {
  readonly keepMs: number
  readonly maxMessages: number
}

export function topicThings(names: Names, topic: string, { keepMs, maxMessages }: Unclaimed): readonly Thing[] {
  const [exchange, alternate, queue] = [names.topic(topic), names.unclaimedExchange(topic), names.unclaimed(topic)]
  return [
    {
      what: `what no group of topic ${topic} has taken`,
      kind: 'queue',
      name: queue,
      async make(channel) {
        await channel.assertExchange(alternate, 'fanout', { durable: true })
        await channel.assertQueue(queue, unclaimedQueue(keepMs, maxMessages))
        await channel.bindQueue(queue, alternate, '')
      },
    },
    {
      what: `topic ${topic}`,
      kind: 'exchange',
      name: exchange,
      make: (channel) => channel.assertExchange(exchange, 'fanout', { durable: true, alternateExchange: alternate }),
    },
  ]
}

export function workThing(names: Names, topic: string, group: string): Thing {
  const queue = names.work(topic, group)
  return {
    what: `group ${group} on topic ${topic}`,
    kind: 'queue',
    name: queue,
    make: (channel) => channel.assertQueue(queue, workQueue(names.givenUp)),
  }
}

export function placeThing(names: Names, topic: string, group: string, place: Place): Thing {
  const queue = names.place(place.name)
  return {
    what: `dead letters of group ${group} on topic ${topic}`,
    kind: 'queue',
    name: queue,
    make: (channel) => channel.assertQueue(queue, deadLetterQueue(place.shared ? undefined : place.ttlMs)),
  }
}

export function delayThing(names: Names, ms: number, whose: string): Thing {
  const name = names.delay(ms)
  return {
    what: `delay of ${ms} ms (${whose})`,
    kind: 'queue',
    name,
    async make(channel) {
      await channel.assertExchange(name, 'fanout', { durable: true })
      await channel.assertQueue(name, delayQueue(ms))
      await channel.bindQueue(name, name, '')
    },
    entry: { kind: 'delay', ms },
  }
}

export function delayThings(names: Names, { group, topic, delays }: Pick<GroupTopology, 'group' | 'topic' | 'delays'>): readonly Thing[] {
  const places = [...new Set(delays.flatMap((delay: Delay) => placesOf(delay)))]
  return places.map((ms) => delayThing(names, ms, `group ${group}, topic ${topic}`))
}

export function givenUpThing(names: Names, whose: string): Thing {
  const { givenUp } = names
  return {
    what: `what the broker gives up on (${whose})`,
    kind: 'queue',
    name: givenUp,
    make: (channel) => channel.assertQueue(givenUp, givenUpQueue),
  }
}

/** Only a name with both placeholders is nobody else's: there the queue itself can let its letters expire. */
export function placeOf(declared: DeadLetterPlace, at: { topic: string; group: string; service: string; prefix: string }): Place {
  // Topic a.b with group c is not topic a with group b.c: a queue knows its group by a colon, which neither can have.
  const name = declared.name ?? (at.group.includes('.') ? '{topic}:{group}.dlq' : undefined)
  const shared = name !== undefined && !(name.includes('{topic}') && name.includes('{group}'))
  const { name: resolved, ttlMs } = resolvePlace(name === undefined ? declared : { ...declared, name }, at)
  // In this order: the registry tells entries apart by their text, and keeps what it has for ever.
  return { name: resolved, shared, ...(ttlMs !== undefined && { ttlMs }) }
}
