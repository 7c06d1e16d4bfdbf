import type { Client } from './protocol/client.ts'
import { originOf } from './wire.ts'

const MAX_WAIT_MS = 500
/** A broker gives the first batch of a partition, whatever its size: it is asked for one partition at a time. */
const MAX_BYTES = 1

/** When the first message that is not settled was stored, over all partitions with one; of a copy its original. `from`: where each of them is. */
export async function oldestAt(
  client: Client,
  topic: string,
  leaders: readonly number[],
  from: ReadonlyMap<number, number>,
): Promise<number> {
  const times = await Promise.all(
    [...from].map(async ([partition, offset]) => {
      const [fetched] = await client.fetch(leaders[partition] ?? -1, [{ topic, partition, offset }], {
        maxWaitMs: MAX_WAIT_MS,
        maxBytes: MAX_BYTES,
      })
      const first = fetched?.records.find((record) => record.offset >= offset)
      return first ? originOf(first.headers, { topic, partition, offset: first.offset, at: first.at }).at : Number.POSITIVE_INFINITY
    }),
  )
  return Math.min(Number.POSITIVE_INFINITY, ...times)
}
