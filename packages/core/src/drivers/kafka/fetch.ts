import { type RecordBatch, readBatches } from './batches.ts'
import { errorFrom } from './kafkajs.ts'
import type { Aborted } from './records.ts'

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
