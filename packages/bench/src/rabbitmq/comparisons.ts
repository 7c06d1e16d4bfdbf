import { consuming, publishing } from '../corebus.ts'
import type { Comparison } from '../measure.ts'
import { bareConsuming, barePublishing, barePublishingByTopic } from './bare.ts'
import { nestConsuming, nestPublishing } from './nest.ts'
import { room } from './topic.ts'

const AWAITED = 2_000
const IN_FLIGHT = 256
const MESSAGES = 30_000

function publish(url: string, bytes: number, inFlight: 1 | typeof IN_FLIGHT): Comparison {
  const count = inFlight === 1 ? AWAITED : MESSAGES
  const load = { url, bytes, count, inFlight }
  const contestants = [publishing(room(url), load), barePublishing(load), barePublishingByTopic(load), nestPublishing(load)] as const
  const [ours, bare, byTopic, nest] = contestants.map(({ name }) => name) as [string, string, string, string]
  const overNest = inFlight === 1 ? 3 : bytes > 500 ? 1.1 : 1.3
  return {
    name: `RabbitMQ: publish, ${bytes} B, ${inFlight === 1 ? 'one at a time' : `${inFlight} in flight`}`,
    messages: count,
    contestants,
    targets: [
      { ours, other: bare, atLeast: 0.9 },
      { ours, other: byTopic, atLeast: 0.9 },
      { ours, other: nest, atLeast: overNest },
    ],
  }
}

function consume(url: string, bytes: number): Comparison {
  const load = { url, bytes, count: MESSAGES }
  const contestants = [consuming(room(url), load), bareConsuming(load), nestConsuming(load)] as const
  const [ours, bare, nest] = contestants.map(({ name }) => name) as [string, string, string]
  return {
    name: `RabbitMQ: consume a backlog, ${bytes} B, parse, validate, acknowledge`,
    messages: MESSAGES,
    contestants,
    targets: [
      { ours, other: bare, atLeast: 0.8 },
      { ours, other: nest, atLeast: bytes > 500 ? 1.9 : 2.2 },
    ],
  }
}

/** Everything of RabbitMQ that is compared by throughput. */
export function comparisons(url: string, sizes: readonly number[]): readonly Comparison[] {
  return sizes.flatMap((bytes) => [publish(url, bytes, 1), publish(url, bytes, IN_FLIGHT), consume(url, bytes)])
}
