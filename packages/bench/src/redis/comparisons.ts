import { consuming, publishing, through } from '../corebus.ts'
import type { Comparison } from '../measure.ts'
import { bareConsuming, barePublishing } from './bare.ts'
import { nestConsuming, nestPublishing, nestThrough } from './nest.ts'
import { room } from './room.ts'

const AWAITED = 2_000
const IN_FLIGHT = 256
const MESSAGES = 30_000
const BACKLOG = 50_000

function publish(url: string, bytes: number, inFlight: 1 | typeof IN_FLIGHT): Comparison {
  const count = inFlight === 1 ? AWAITED : MESSAGES
  const load = { url, bytes, count, inFlight }
  const [ours, bare, nest] = [publishing(room(url), load), barePublishing(load), nestPublishing(load)] as const
  return {
    name: `Redis: publish, ${bytes} B, ${inFlight === 1 ? 'one at a time' : `${inFlight} in flight`}`,
    messages: count,
    contestants: [ours, bare, nest],
    targets: [{ ours: ours.name, other: bare.name, atLeast: inFlight === 1 ? 0.9 : 0.85 }],
  }
}

function consume(url: string, bytes: number): Comparison {
  const load = { url, bytes, count: BACKLOG }
  const [ours, bare, nest] = [consuming(room(url), load), bareConsuming(load), nestConsuming(load)] as const
  return {
    name: `Redis: consume a backlog, ${bytes} B, parse, validate, acknowledge`,
    messages: BACKLOG,
    contestants: [ours, bare, nest],
    targets: [
      { ours: ours.name, other: bare.name, atLeast: 0.5 },
      { ours: ours.name, other: nest.name, atLeast: 3 },
    ],
  }
}

function publishAndHandle(url: string, bytes: number): Comparison {
  const load = { url, bytes, count: MESSAGES, inFlight: IN_FLIGHT }
  const [ours, nest] = [through(room(url), load), nestThrough(load)] as const
  return {
    name: `Redis: publish to handler in one process, ${bytes} B, ${IN_FLIGHT} in flight`,
    messages: MESSAGES,
    contestants: [ours, nest],
    targets: [{ ours: ours.name, other: nest.name, atLeast: 1.3 }],
  }
}

/** Everything of Redis that is compared by throughput. */
export function comparisons(url: string, sizes: readonly number[]): readonly Comparison[] {
  return sizes.flatMap((bytes) => [
    publish(url, bytes, 1),
    publish(url, bytes, IN_FLIGHT),
    consume(url, bytes),
    publishAndHandle(url, bytes),
  ])
}
