import type { DeadLetterPlace, Delay, GroupTopology } from '../../driver.ts'
import { resolvePlace } from '../names.ts'
import { deadLetterQueue, delayQueue, givenUpQueue, unclaimedQueue, workQueue } from './declare.ts'
import { placesOf } from './delays.ts'
import type { Names } from './names.ts'
import type { Place } from './registry.ts'
import type { BindingThing, QueueThing, Thing } from './things.ts'
import { OURS } from './wire.ts'

export interface Unclaimed {
  readonly keepMs: number
  readonly maxMessages: number
}

/**
 * The exchange of a topic is a plain durable fanout, as everybody's is who declares one of its name. Behind it is one of ours that the groups' queues are
 * bound to: it sends what none of them takes where it is kept, since RabbitMQ asks each exchange on the way for its alternate. `unclaimed` is false
 * where nothing is kept.
 */
export function topicThings(names: Names, topic: string, unclaimed: Unclaimed | false): readonly Thing[] {
  const [exchange, groups, alternate, queue] = [
    names.topic(topic),
    names.groups(topic),
    names.unclaimedExchange(topic),
    names.unclaimed(topic),
  ]
  const kept = `what no group of topic ${topic} has taken`
  const things: Thing[] = [{ kind: 'exchange', what: kept, name: alternate, type: 'fanout' }]
  if (unclaimed)
    things.push(
      { kind: 'queue', what: kept, name: queue, options: unclaimedQueue(unclaimed.keepMs, unclaimed.maxMessages) },
      { kind: 'binding', what: kept, to: 'queue', name: queue, from: alternate },
    )
  things.push(
    { kind: 'exchange', what: `the groups of topic ${topic}`, name: groups, type: 'fanout', alternate },
    { kind: 'exchange', what: `topic ${topic}`, name: exchange, type: 'fanout', anyAlternate: true },
  )
  return things
}

/** Made last: what is published from then on must find the groups. */
export function topicBinding(names: Names, topic: string): BindingThing {
  return { kind: 'binding', what: `topic ${topic}`, to: 'exchange', name: names.groups(topic), from: names.topic(topic) }
}

export function workThing(names: Names, topic: string, group: string): QueueThing {
  return { kind: 'queue', what: `group ${group} on topic ${topic}`, name: names.work(topic, group), options: workQueue(names.givenUp) }
}

export function placeThing(names: Names, topic: string, group: string, place: Place): QueueThing {
  return {
    kind: 'queue',
    what: `dead letters of group ${group} on topic ${topic}`,
    name: names.place(place.name),
    options: deadLetterQueue(place.shared ? undefined : place.ttlMs),
  }
}

/** What says to the exchange of all delays which one is meant: the routing key is the queue that it comes back to. */
export function delayHeaders(ms: number): Readonly<Record<string, string>> {
  return { [OURS.delay]: String(ms) }
}

/** The queue and its exchange are there before the binding is: by its entry the last of them is known. */
export function delayThings(names: Names, ms: number, whose: string): readonly Thing[] {
  const [what, name] = [`delay of ${ms} ms (${whose})`, names.delay(ms)]
  const entry = { kind: 'delay', ms, by: 'header' } as const
  const binding = { 'x-match': 'all', ...delayHeaders(ms) }
  return [
    { kind: 'exchange', what: `delays (${whose})`, name: names.delays, type: 'headers' },
    { kind: 'queue', what, name, options: delayQueue(ms), entry },
    { kind: 'binding', what, to: 'queue', name, from: names.delays, arguments: binding, entry },
  ]
}

export function delaysThings(names: Names, { group, topic, delays }: Pick<GroupTopology, 'group' | 'topic' | 'delays'>): readonly Thing[] {
  const places = [...new Set(delays.flatMap((delay: Delay) => placesOf(delay)))]
  return places.flatMap((ms) => delayThings(names, ms, `group ${group}, topic ${topic}`))
}

export function givenUpThing(names: Names, whose: string): QueueThing {
  return { kind: 'queue', what: `what the broker gives up on (${whose})`, name: names.givenUp, options: givenUpQueue }
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
