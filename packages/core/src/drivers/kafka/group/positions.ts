import { CorebusError } from '../../../errors.ts'
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
  const passed: Passed[] = []
  const lines = there.map((partition) => {
    const [begin, end] = [begins[partition] ?? 0, ends[partition] ?? 0]
    const position = committed.get(partition)
    const valid = position && position.offset >= begin && position.offset <= end
    if (position && !valid)
      passed.push({ topic, kind, of, partition, at: position.offset, begin, end, marks: decodeNote(position.metadata) })
    const base = valid ? position.offset : position || from === 'earliest' ? begin : end
    const line = new Line({ of, topic, kind, partition, base, marks: decodeNote(valid ? position.metadata : '') })
    // Where a group has begun must be known even if it crashes before its first settlement.
    if (!valid) line.changed++
    return line
  })
  return { lines, passed, leaderless: new Set(partitions.filter((partition) => (leaders[partition] ?? 0) < 0)) }
}

/** The offset that a group had come to in a partition, where the partition has something else now. */
export interface Passed extends Pick<LineOptions, 'of' | 'topic' | 'kind' | 'partition' | 'marks'> {
  readonly at: number
  readonly begin: number
  readonly end: number
}

/** What is lost by that, in words; undefined when nothing is. */
export function lostBy({ of, topic, kind, partition, at, begin, end, marks }: Passed, group: string): CorebusError | undefined {
  const what = kind === 'topic' ? of : topic
  if (at > end)
    return new CorebusError(
      'OFFSET_GONE',
      `group ${group} had come to offset ${at} in partition ${partition} of ${what}, which ends at ${end}: another log is there, and all of it is read`,
    )
  const done = marks.slice(0, begin - at).filter((mark) => mark === 'done').length
  const count = begin - at - done
  if (count <= 0) return undefined
  return new CorebusError(
    'MESSAGES_DELETED',
    `up to ${count} messages of ${what} were deleted from Kafka before group ${group} had handled them: partition ${partition}, from offset ${at}, begins at ${begin} now`,
  )
}

export interface Loaded {
  readonly lines: readonly Line[]
  /** Positions that the topic does not have. */
  readonly passed: readonly Passed[]
  readonly leaderless: ReadonlySet<number>
}
