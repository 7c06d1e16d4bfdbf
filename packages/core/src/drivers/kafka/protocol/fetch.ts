import { type RecordBatch, readBatches } from './batches.ts'
import { errorFrom } from './kafkajs.ts'
import type { Aborted } from './records.ts'

/** What is asked of a broker. */
export interface Wanted {
  /** Partitions of one topic after another; the answer is full with the first of them. */
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number; readonly offset: number }[]
  }[]
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly partitionBytes: number
}

const NOBODYS_REPLICA = -1
const AT_LEAST_BYTES = 1
export const READ_COMMITTED = 1
const NO_SESSION = 0
const NO_EPOCH = -1
/** Everything of a request but its topics, and of a partition, in the longest version. */
const REQUEST_BYTES = 35
const PARTITION_BYTES = 28

/** A fetch, of versions 4 to 11. (kafkajs has several buffers for each partition, which was most of what an idle consumer cost.) */
export function encodeFetch({ topics, maxWaitMs, maxBytes, partitionBytes }: Wanted, version: number): Buffer {
  let size = REQUEST_BYTES
  for (const { topic, partitions } of topics) size += 6 + Buffer.byteLength(topic) + partitions.length * PARTITION_BYTES
  const out = Buffer.allocUnsafe(size)
  let at = out.writeInt32BE(NOBODYS_REPLICA, 0)
  at = out.writeInt32BE(maxWaitMs, at)
  at = out.writeInt32BE(AT_LEAST_BYTES, at)
  at = out.writeInt32BE(maxBytes, at)
  at = out.writeInt8(READ_COMMITTED, at)
  if (version >= 7) {
    at = out.writeInt32BE(NO_SESSION, at)
    at = out.writeInt32BE(NO_EPOCH, at)
  }
  at = out.writeInt32BE(topics.length, at)
  for (const { topic, partitions } of topics) {
    const length = out.write(topic, at + 2)
    out.writeInt16BE(length, at)
    at = out.writeInt32BE(partitions.length, at + 2 + length)
    for (const { partition, offset } of partitions) {
      at = out.writeInt32BE(partition, at)
      if (version >= 9) at = out.writeInt32BE(NO_EPOCH, at)
      at = out.writeBigInt64BE(BigInt(offset), at)
      if (version >= 5) at = out.writeBigInt64BE(-1n, at) // where the log begins: replicas know
      at = out.writeInt32BE(partitionBytes, at)
    }
  }
  if (version >= 7) at = out.writeInt32BE(0, at) // nothing is forgotten of a session
  if (version >= 11) at = out.writeInt16BE(0, at) // in no rack
  return out.subarray(0, at)
}

/** What was read of one partition. */
export interface Answer {
  readonly topic: string
  readonly partition: number
  readonly aborted: readonly Aborted[]
  readonly batches: readonly RecordBatch[]
}

/** The answer to a fetch, of versions 4 to 11. @throws what is wrong with one of the partitions, with its `topic` and `partition` */
export async function readAnswer(raw: Buffer, version: number): Promise<readonly Answer[]> {
  const answers: Answer[] = []
  let at = 4 // throttled for so long
  if (version >= 7) {
    refuse(raw.readInt16BE(at))
    at += 6 // and the session, which is none
  }
  const topics = raw.readInt32BE(at)
  at += 4
  for (let t = 0; t < topics; t++) {
    const nameEnd = at + 2 + raw.readInt16BE(at)
    const topic = raw.toString('utf8', at + 2, nameEnd)
    const partitions = raw.readInt32BE(nameEnd)
    at = nameEnd + 4
    for (let p = 0; p < partitions; p++) {
      const partition = raw.readInt32BE(at)
      refuse(raw.readInt16BE(at + 4), { topic, partition })
      at += version >= 5 ? 30 : 22 // where it ends, for two kinds of readers, and where it begins
      const aborted: Aborted[] = []
      for (let n = raw.readInt32BE(at); n > 0; n--, at += 16)
        aborted.push({ producerId: String(raw.readBigInt64BE(at + 4)), firstOffset: Number(raw.readBigInt64BE(at + 12)) })
      at += version >= 11 ? 8 : 4 // and the replica to read from
      const end = at + 4 + Math.max(raw.readInt32BE(at), 0)
      answers.push({ topic, partition, aborted, batches: await readBatches(raw.subarray(at + 4, end)) })
      at = end
    }
  }
  return answers
}

function refuse(code: number, place: object = {}): void {
  if (code !== 0) throw Object.assign(errorFrom(code), place)
}
