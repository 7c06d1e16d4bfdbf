import type { Client } from '../protocol/client.ts'
import { Line, type LineOptions } from './line.ts'
import { decodeNote } from './position.ts'

export interface LoadOptions extends Pick<LineOptions, 'of' | 'topic' | 'kind'> {
  readonly client: Client
  /** As the broker names it. */
  readonly group: string
  readonly partitions: readonly number[]
  /** Where a group begins that has no position here. */
  readonly from: 'earliest' | 'latest'
}

/**
 * The partitions of one topic as the group left them. A position that the topic does not have (it was trimmed, or made again) is none, and
 * then all that is there is read. Partitions that a topic does not have are left out, and so are those that no broker leads now.
 */
export async function loadLines({ client, group, of, topic, kind, partitions, from }: LoadOptions): Promise<Loaded> {
  const leaders = await client.leaders(topic)
  const there = partitions.filter((partition) => (leaders[partition] ?? -1) >= 0)
  const wanted = leaders.map((leader, partition) => (there.includes(partition) ? leader : -1))
  const [committed, begins, ends] = await Promise.all([
    client.committed(group, topic, there),
    client.offsets(topic, wanted, 'begin'),
    client.offsets(topic, wanted, 'end'),
  ])
  const lines = there.map((partition) => {
    const [begin, end] = [begins[partition] ?? 0, ends[partition] ?? 0]
    const position = committed.get(partition)
    const valid = position && position.offset >= begin && position.offset <= end
    const base = valid ? position.offset : position || from === 'earliest' ? begin : end
    const line = new Line({ of, topic, kind, partition, base, marks: decodeNote(valid ? position.metadata : '') })
    // Where a group has begun must be known even if it crashes before its first settlement.
    if (!valid) line.changed++
    return line
  })
  return { lines, leaderless: new Set(partitions.filter((partition) => (leaders[partition] ?? 0) < 0)) }
}

export interface Loaded {
  readonly lines: readonly Line[]
  readonly leaderless: ReadonlySet<number>
}
