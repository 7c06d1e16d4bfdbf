import { failureOf, isUnknownTopic } from './failure.ts'
import { decodeNote } from './group/position.ts'
import type { Names } from './names.ts'
import type { Client } from './protocol/client.ts'

export interface LagOptions {
  readonly client: Client
  readonly names: Pick<Names, 'group'>
}

/** What a group has before it in one topic of the broker. */
export interface Lag {
  readonly ready: number
  readonly inFlight: number
  /** Of each partition with something that is not settled: where the first of it may be. */
  readonly from: ReadonlyMap<number, number>
  readonly leaders: readonly number[]
}

const NOTHING: Lag = { ready: 0, inFlight: 0, from: new Map(), leaders: [] }

/** A group that has not begun has all of the topic before it. */
export async function lagOf(topic: string, group: string, { client, names }: LagOptions): Promise<Lag> {
  const leaders = await client.leaders(topic).catch((thrown: unknown) => {
    if (isUnknownTopic(failureOf(thrown))) return undefined
    throw thrown
  })
  if (!leaders) return NOTHING
  const [begins, ends, committed] = await Promise.all([
    client.offsets(topic, leaders, 'begin'),
    client.offsets(topic, leaders, 'end'),
    client.committed(names.group(group), topic, [...leaders.keys()]),
  ])
  let [ready, inFlight] = [0, 0]
  const from = new Map<number, number>()
  for (const [partition, end] of ends.entries()) {
    // Nothing is known of a partition that no broker leads now.
    if (end === undefined) continue
    const begin = begins[partition] ?? 0
    const { offset, metadata } = committed.get(partition) ?? { offset: begin, metadata: '' }
    const { done, out } = marked(metadata, end - offset)
    inFlight += out
    if (end > offset && (leaders[partition] ?? -1) >= 0) from.set(partition, Math.max(offset, begin))
    ready += Math.max(end - offset, 0) - done - out
  }
  return { ready, inFlight, from, leaders }
}

/** How many of those behind the committed offset are settled, and how many are out. */
function marked(metadata: string, behind: number): { readonly done: number; readonly out: number } {
  const marks = decodeNote(metadata).slice(0, Math.max(behind, 0))
  return {
    done: marks.filter((mark) => mark === 'done').length,
    out: marks.filter((mark) => mark !== 'done' && mark > 0).length,
  }
}
