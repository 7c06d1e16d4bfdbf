import { CorebusError } from '../../errors.ts'
import type { Client, RecordIn } from './protocol/client.ts'

const MAX_WAIT_MS = 500
const MAX_BYTES = 8 * 1024 * 1024

/** Everything that one partition holds now, from `from` on. Belongs to no group: reading changes nothing. @returns where it ended. */
export async function readLog(
  client: Client,
  topic: string,
  { partition = 0, from = 0, onRecord }: { partition?: number; from?: number; onRecord: (record: RecordIn) => void },
): Promise<number> {
  const leaders = await client.leaders(topic)
  const leader = leaders[partition] ?? -1
  if (leader < 0) throw new CorebusError('NO_LEADER', `no broker that is up has partition ${partition} of topic ${topic}`)
  const begin = (await client.offsets(topic, leaders, 'begin'))[partition] ?? 0
  const end = (await client.offsets(topic, leaders, 'end'))[partition] ?? 0
  // Past its end: it is another topic of that name, made after the first was deleted.
  let offset = from > end ? begin : Math.max(from, begin)
  while (offset < end) {
    const [fetched] = await client.fetch(leader, [{ topic, partition, offset }], { maxWaitMs: MAX_WAIT_MS, maxBytes: MAX_BYTES })
    for (const record of fetched?.records ?? []) if (record.offset < end) onRecord(record)
    // Nothing but what compaction has emptied: then the end is all there is.
    offset = fetched && fetched.next > offset ? fetched.next : end
  }
  return offset
}
