import { codecOf, readMessageSet } from './kafkajs.ts'
import type { RawHeaders, RecordIn } from './records.ts'

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
 * reading one cost.) @throws KafkaJSNotImplemented for a compression it has no codec for
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
  const stored = bytes.subarray(OVERHEAD_BYTES)
  const codec = (attributes & CODEC) === 0 ? undefined : codecOf(attributes & CODEC)
  const count = bytes.readInt32BE(57)
  const cursor = new Cursor(codec && count > 0 ? await codec.decompress(stored) : stored)
  const at = Number(bytes.readBigInt64BE((attributes & STAMPED_BY_BROKER) === 0 ? 27 : 35))
  const records: RecordIn[] = []
  for (let n = 0; n < count; n++) records.push(cursor.record(first, at, (attributes & STAMPED_BY_BROKER) !== 0))
  return {
    last: first + bytes.readInt32BE(23),
    producerId: String(bytes.readBigInt64BE(43)),
    inTransaction: (attributes & IN_TRANSACTION) !== 0,
    isMarker: (attributes & MARKER) !== 0,
    records,
  }
}

/** From before Kafka 0.11: still on disk where nothing was deleted since. */
async function old(bytes: Buffer): Promise<readonly RecordBatch[]> {
  const records = (await readMessageSet(bytes)).map(({ offset, timestamp, key, value }) => ({
    offset: Number(offset),
    at: Number(timestamp ?? -1),
    key,
    value,
    headers: {},
  }))
  const last = records.at(-1)?.offset
  return last === undefined ? [] : [{ last, producerId: '-1', inTransaction: false, isMarker: false, records }]
}

/** Reads records one after another. */
class Cursor {
  readonly #bytes: Buffer
  #at = 0
  /** Names of the headers of the record before, by their place: most records of a batch have the same. */
  readonly #names: { readonly bytes: Buffer; readonly text: string }[] = []

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  record(firstOffset: number, firstAt: number, stamped: boolean): RecordIn {
    const length = this.#varint()
    const end = this.#at + length
    this.#at++ // attributes: none are in use
    const delta = this.#varint()
    const offset = firstOffset + this.#varint()
    const key = this.#part()
    const value = this.#part()
    const headers = this.#headers()
    this.#at = end
    return { offset, at: stamped ? firstAt : firstAt + delta, key, value, headers }
  }

  #headers(): RawHeaders {
    const headers: Record<string, RawHeaders[string]> = {}
    for (let n = 0, count = this.#varint(); n < count; n++) {
      const name = this.#name(n)
      const value = this.#part()
      const before = headers[name]
      if (name === '__proto__') Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true })
      else headers[name] = before === undefined ? value : several(before, value)
    }
    return headers
  }

  #name(n: number): string {
    const length = this.#varint()
    const [bytes, from] = [this.#bytes, this.#at]
    this.#at += length
    const known = this.#names[n]
    if (known && known.bytes.length === length && bytes.compare(known.bytes, 0, length, from, from + length) === 0) return known.text
    const text = bytes.toString('utf8', from, from + length)
    this.#names[n] = { bytes: bytes.subarray(from, from + length), text }
    return text
  }

  #part(): Buffer | null {
    const length = this.#varint()
    if (length < 0) return null
    const from = this.#at
    this.#at += length
    return this.#bytes.subarray(from, this.#at)
  }

  /** Of up to 53 bits: lengths, and times in ms. */
  #varint(): number {
    const bytes = this.#bytes
    let byte = bytes[this.#at++] as number
    let value = byte & 0x7f
    for (let scale = 0x80; byte > 0x7f; scale *= 0x80) {
      byte = bytes[this.#at++] as number
      value += (byte & 0x7f) * scale
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
}

function several(before: NonNullable<RawHeaders[string]> | null, value: Buffer | null): readonly Buffer[] | null {
  const all = [...(before === null ? [] : Buffer.isBuffer(before) ? [before] : before), ...(value === null ? [] : [value])]
  return all.length === 0 ? null : all
}
