import { CorebusError } from '../../errors.ts'
import type { Declarer } from './declare.ts'
import type { Names } from './names.ts'
import { delayThing, placeThing } from './places.ts'
import type { Place } from './registry.ts'
import type { Target } from './target.ts'
import type { Topology } from './topology.ts'

/** Everything that is published to, one object per place. */
export interface Targets {
  readonly topic: (topic: string) => Target
  readonly work: (topic: string, group: string) => Target
  /** Comes back to the group's queue by itself. */
  readonly delayed: (topic: string, group: string, ms: number) => Target
  readonly dead: (topic: string, group: string, place: Place) => Target
}

export interface TargetsOptions {
  readonly names: Names
  readonly topology: Topology
  readonly declarer: Declarer
  readonly maxUnclaimed: number
}

export function createTargets({ names, topology, declarer, maxUnclaimed }: TargetsOptions): Targets {
  const known = new Map<string, Target>()

  function target(exchange: string, routingKey: string, make: Pick<Target, 'remake' | 'whyRefused'>): Target {
    const key = JSON.stringify([exchange, routingKey])
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
        remake: () => topology.remakeTopic(topic),
        async whyRefused() {
          const kept = (await declarer.count(names.unclaimed(topic)))?.ready ?? 0
          if (kept < maxUnclaimed) return refused(`topic ${topic}`)()
          const text = `topic "${topic}" already keeps ${kept} messages that no group has read: start a consumer of it, or stop publishing`
          return new CorebusError('TOPIC_FULL', text)
        },
      }),
    work: (topic, group) =>
      target('', names.work(topic, group), {
        remake: () => topology.remakeGroup(topic, group),
        whyRefused: refused(`group ${group} on topic ${topic}`),
      }),
    delayed: (topic, group, ms) =>
      target(names.delay(ms), names.work(topic, group), {
        remake: () => topology.remake([delayThing(names, ms, `group ${group}, topic ${topic}`)]),
        whyRefused: refused(`the delay of ${ms} ms`),
      }),
    dead: (topic, group, place) =>
      target('', names.place(place.name), {
        remake: () => topology.remake([placeThing(names, topic, group, place)]),
        whyRefused: refused(`the dead letters ${place.name}`),
      }),
  }
}

/** Many messages miss the same place at once: it is made once. */
function onceAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return () => {
    running ??= work().finally(() => {
      running = undefined
    })
    return running
  }
}
