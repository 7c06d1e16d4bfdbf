import type { Target as Theirs } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { notTaken } from '../letter-target.ts'
import type { Declarer } from './declare.ts'
import type { Address, Names } from './names.ts'
import { delayHeaders, delayThings, placeThing } from './places.ts'
import type { Place } from './registry.ts'
import { lineOf, type Target } from './target.ts'
import type { Topology } from './topology.ts'

/** Everything that is published to, one object per place. */
export interface Targets {
  readonly topic: (topic: string) => Target
  readonly work: (topic: string, group: string) => Target
  /** Comes back to the group's queue by itself. */
  readonly delayed: (topic: string, group: string, ms: number) => Target
  readonly dead: (topic: string, group: string, place: Place) => Target
  /** Something of others that dead letters go to. Nothing is made there, and what nobody takes now is tried again. */
  readonly letters: (to: Address) => Target
  /** An exchange of others. Nothing is made there. */
  readonly theirs: (target: Theirs) => Target
}

export interface TargetsOptions {
  readonly names: Names
  readonly topology: Topology
  readonly declarer: Declarer
  readonly maxUnclaimed: number
  /** Topics where nothing is kept that no group reads. */
  readonly keepsUnclaimed: (topic: string) => boolean
}

export function createTargets({ names, topology, declarer, maxUnclaimed, keepsUnclaimed }: TargetsOptions): Targets {
  const known = new Map<string, Target>()

  function target(exchange: string, routingKey: string, make: Omit<Target, 'exchange' | 'routingKey'>): Target {
    const key = lineOf({ exchange, routingKey, headers: make.headers })
    const before = known.get(key)
    if (before) return before
    const made = { exchange, routingKey, ...make, remake: onceAtATime(make.remake) }
    known.set(key, made)
    return made
  }

  const refused = (place: string) => async () =>
    new CorebusError('REFUSED', `RabbitMQ refused a message for ${place}: a policy limits its length, or its queue has no leader now`)

  return {
    topic: (topic) =>
      target(names.topic(topic), topic, {
        mayBeLost: !keepsUnclaimed(topic),
        remake: () => topology.remakeTopic(topic),
        async whyRefused() {
          const kept = (await declarer.count(names.unclaimed(topic)))?.ready ?? 0
          if (kept < maxUnclaimed) return refused(`topic ${topic}`)()
          const text = `topic "${topic}" already keeps ${kept} messages that no group has read: start a consumer of it, stop publishing, or, where only other programs read it, keep nothing for groups (topology: { topics: { '${topic}': { unclaimed: false } } })`
          return new CorebusError('TOPIC_FULL', text)
        },
      }),
    work: (topic, group) =>
      target('', names.work(topic, group), {
        remake: () => topology.remakeGroup(topic, group),
        whyRefused: refused(`group ${group} on topic ${topic}`),
      }),
    delayed: (topic, group, ms) =>
      target(names.delays, names.work(topic, group), {
        headers: delayHeaders(ms),
        remake: () => topology.remake(delayThings(names, ms, `group ${group}, topic ${topic}`)),
        whyRefused: refused(`the delay of ${ms} ms`),
      }),
    dead: (topic, group, place) =>
      target('', names.place(place.name), {
        remake: () => topology.remake([placeThing(names, topic, group, place)]),
        whyRefused: refused(`the dead letters ${place.name}`),
      }),
    // Not remembered: a routing key may be each message's own.
    letters: ({ exchange, routingKey }) => ({
      exchange,
      routingKey,
      remake: (cause) => Promise.reject(letterNotTaken(exchange, routingKey, cause)),
      whyRefused: refused(nameOf(exchange, routingKey)),
    }),
    // Not remembered, and with one channel for all queues: routing keys may be made of ids, as those of answers are.
    theirs: ({ exchange, routingKey = '' }) => ({
      exchange,
      routingKey,
      ...(exchange === '' && { channel: 'queues of others' }),
      remake: (why) => Promise.reject(notThere(exchange, routingKey, why)),
      whyRefused: refused(nameOf(exchange, routingKey)),
    }),
  }
}

/** A binding may come, so that is worth another try; an exchange that is not there is a name that is wrong. */
function notThere(exchange: string, routingKey: string, cause: CorebusError): CorebusError {
  const where = nameOf(exchange, routingKey)
  if (cause.code === 'UNROUTABLE')
    return new CorebusError('UNROUTABLE', `no queue takes what is published to ${where}: bind one, or mend the routing key`, { cause })
  return new CorebusError(
    'TARGET',
    `a message cannot be published to ${where}: RabbitMQ has no such exchange, and it is not ours to declare`,
    { cause },
  )
}

function letterNotTaken(exchange: string, routingKey: string, cause: CorebusError): CorebusError {
  const isUnbound = exchange !== '' && cause.code === 'UNROUTABLE'
  const why = isUnbound
    ? 'no queue takes it: bind one, or mend the routing key'
    : "there is none any more, and it is its owner's to declare"
  return notTaken(nameOf(exchange, routingKey), why, { cause })
}

function nameOf(exchange: string, routingKey: string): string {
  return exchange === '' ? `the queue "${routingKey}"` : `the exchange "${exchange}" with the routing key "${routingKey}"`
}

/** Many messages miss the same place at once: it is made once. */
function onceAtATime(work: Target['remake']): Target['remake'] {
  let running: Promise<void> | undefined
  return (why) => {
    running ??= work(why).finally(() => {
      running = undefined
    })
    return running
  }
}
