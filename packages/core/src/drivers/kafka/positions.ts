import type { Client } from './client.ts'
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

/** The partitions of one topic as the group left them. */
export async function loadLines({ client, group, of, topic, kind, partitions, from }: LoadOptions): Promise<readonly Line[]> {
  const committed = await client.committed(group, topic, partitions)
  const missing = partitions.some((partition) => !committed.has(partition))
  const leaders = missing ? await client.leaders(topic) : []
  const begins = missing ? await client.offsets(topic, leaders, from === 'earliest' ? 'begin' : 'end') : []
  return partitions.map((partition) => {
    const position = committed.get(partition)
    const marks = decodeNote(position?.metadata ?? '')
    const line = new Line({ of, topic, kind, partition, base: position?.offset ?? begins[partition] ?? 0, marks })
    // Where a group has begun must be known even if it crashes before its first settlement.
    if (!position) line.changed++
    return line
  })
}
