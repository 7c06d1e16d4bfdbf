import { consuming, publishing } from '../corebus.ts'
import type { Comparison } from '../measure.ts'
import { bareConsuming, bareConsumingItsOwn, barePublishing } from './bare.ts'
import { javaConsuming, javaPublishing } from './java.ts'
import { nestConsuming, nestPublishing } from './nest.ts'
import { type Place, room } from './room.ts'

const AWAITED = 2_000
const IN_FLIGHT = 256
const MESSAGES = 100_000
/** Many fetches: what a client reads before it handles its first message is not timed. */
const backlogOf = (bytes: number): number => (bytes > 500 ? 80_000 : 300_000)
/** Of those that take each message by itself. */
const SINGLE = 20_000
const NEST_BACKLOG = 50_000
/** A JVM needs some to be warm. */
const JAVA = 500_000

export interface KafkaOptions {
  readonly url: string
  readonly jars: string
  readonly sizes: readonly number[]
}

const named = (what: string, bytes: number, { partitions }: Place) => `Kafka, ${partitions} partitions: ${what.replace('#', `${bytes} B`)}`

function publishOneByOne(place: Place, bytes: number): Comparison {
  const load = { bytes, count: AWAITED, inFlight: 1 }
  const [ours, bare, nest] = [publishing(room(place), load), barePublishing(place, load), nestPublishing(place, load)] as const
  return {
    name: named('publish, #, one at a time', bytes, place),
    messages: AWAITED,
    contestants: [ours, bare, nest],
    targets: [{ ours: ours.name, other: bare.name, atLeast: 0.9 }],
  }
}

function publish(place: Place, bytes: number, jars: string): Comparison {
  const load = { bytes, count: MESSAGES, inFlight: IN_FLIGHT }
  const [ours, bare] = [publishing(room(place), load), barePublishing(place, load)] as const
  const nest = nestPublishing(place, { ...load, count: SINGLE })
  return {
    name: named(`publish, #, ${IN_FLIGHT} in flight`, bytes, place),
    messages: MESSAGES,
    contestants: [ours, bare, nest, javaPublishing(jars, place, { bytes, count: JAVA })],
    targets: [
      { ours: ours.name, other: bare.name, atLeast: 0.9 },
      { ours: ours.name, other: nest.name, atLeast: 8 },
    ],
  }
}

function consume(place: Place, bytes: number, jars: string): Comparison {
  const load = { bytes, count: backlogOf(bytes) }
  const [ours, bare] = [consuming(room(place), load), bareConsuming(place, load)] as const
  const nest = nestConsuming(place, { bytes, count: NEST_BACKLOG })
  return {
    name: named('consume a backlog, #, parse, validate, commit', bytes, place),
    messages: load.count,
    contestants: [ours, bare, bareConsumingItsOwn(place, load), nest, javaConsuming(jars, place, { bytes, count: JAVA })],
    targets: [
      { ours: ours.name, other: bare.name, atLeast: 0.5 },
      { ours: ours.name, other: nest.name, atLeast: 2.5 },
    ],
  }
}

/** Everything of Kafka that is compared by throughput. */
export function comparisons({ url, jars, sizes }: KafkaOptions, partitions: number): readonly Comparison[] {
  const place = { url, partitions }
  return sizes.flatMap((bytes) => [publishOneByOne(place, bytes), publish(place, bytes, jars), consume(place, bytes, jars)])
}
