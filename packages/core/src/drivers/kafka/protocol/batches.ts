import { asError } from '../../../errors.ts'
import { UNREADABLE } from '../wire.ts'
import { nameOf } from './codecs.ts'
import { codecOf, readMessageSet } from './kafkajs.ts'
import { encodeBatch } from './record-batch.ts'
import { RecordBytes, type RecordIn } from './record-in.ts'

/** Records that were written together. */
export interface RecordBatch {
  /** Its last offset, also when compaction has removed that record. */
  readonly last: number
  readonly producerId: string
  readonly inTransaction: boolean
  /** Ends a transaction, and is no message. */
  readonly isMarker: boolean
  readonly records: readonly RecordIn[]
}

const OVERHEAD_BYTES = 61
const MAGIC = 2
const STAMPED_BY_BROKER = 0x08
const IN_TRANSACTION = 0x10
const MARKER = 0x20
const CODEC = 0x07

/**
 * What lies in a partition as the broker stores it. (kafkajs makes several objects of 64-bit numbers, and a decoder, for each record: more than half of what
 * reading one cost.)
 */
export async function readBatches(bytes: Buffer): Promise<readonly RecordBatch[]> {
  if (bytes.length > 16 && bytes[16] !== MAGIC) return old(bytes)
  const batches: RecordBatch[] = []
  for (let at = 0; at + OVERHEAD_BYTES <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8)
    // The last one may be cut off.
    if (end > bytes.length) break
    batches.push(await readBatch(bytes.subarray(at, end)))
    at = end
  }
  return batches
}

async function readBatch(bytes: Buffer): Promise<RecordBatch> {
  const first = Number(bytes.readBigInt64BE(0))
  const attributes = bytes.readInt16BE(21)
  const last = first + bytes.readInt32BE(23)
  const at = Number(bytes.readBigInt64BE((attributes & STAMPED_BY_BROKER) === 0 ? 27 : 35))
  const written: Written = {
    bytes: bytes.subarray(OVERHEAD_BYTES),
    count: bytes.readInt32BE(57),
    codec: attributes & CODEC,
    record: (source) => source.record(first, at, (attributes & STAMPED_BY_BROKER) !== 0),
  }
  let records: readonly RecordIn[]
  try {
    records = await recordsIn(written)
  } catch (thrown) {
    records = [unreadable(written, { last, at }, asError(thrown))]
  }
  return {
    last,
    producerId: String(bytes.readBigInt64BE(43)),
    inTransaction: (attributes & IN_TRANSACTION) !== 0,
    isMarker: (attributes & MARKER) !== 0,
    records,
  }
}

/** The records of a batch as they lie there. */
interface Written {
  readonly bytes: Buffer
  readonly count: number
  readonly codec: number
  readonly record: (source: RecordBytes) => RecordIn
}

async function recordsIn({ bytes, count, codec, record }: Written): Promise<readonly RecordIn[]> {
  const source = new RecordBytes(codec !== 0 && count > 0 ? await codecOf(codec).decompress(bytes) : bytes)
  const records: RecordIn[] = []
  for (let n = 0; n < count; n++) records.push(record(source))
  if (!source.isRead) throw new Error(`its ${count} records are shorter or longer than it`)
  return records
}

/** One record for all of a batch that cannot be read, so that what lies behind it is read, and it is not lost: its value is the bytes of all. */
function unreadable({ bytes, count, codec }: Written, { last, at }: { last: number; at: number }, error: Error): RecordIn {
  const what = count === 1 ? 'a record' : `${count} records`
  const text = `${what} of Kafka, compressed with ${nameOf(codec)}, cannot be read: ${error.message}. The body is their bytes as they lie there`
  const laid = encodeBatch([{ key: null, value: bytes, headers: { [UNREADABLE]: text } }], 0).subarray(OVERHEAD_BYTES)
  return new RecordBytes(laid).record(last, at, true, text)
}

/** From before Kafka 0.11: still on disk where nothing was deleted since. */
async function old(bytes: Buffer): Promise<readonly RecordBatch[]> {
  const records = (await readMessageSet(bytes)).map(({ offset, timestamp, key, value }) => {
    const laid = encodeBatch([{ key, value, headers: {} }], 0).subarray(OVERHEAD_BYTES)
    return new RecordBytes(laid).record(Number(offset), Number(timestamp ?? -1), true)
  })
  const last = records.at(-1)?.offset
  return last === undefined ? [] : [{ last, producerId: '-1', inTransaction: false, isMarker: false, records }]
}
