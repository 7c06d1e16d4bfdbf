import { crc32c } from './crc32c.ts'
import { partsOf, type RecordOut } from './records.ts'

const OVERHEAD_BYTES = 61
const MAGIC = 2
/** What the checksum covers begins here. */
const CHECKED_FROM = 21
const NULL_VARINT = 1

/** Everything of a record, in its order on the wire. */
interface Laid {
  readonly key: Part
  readonly value: Part
  readonly headers: readonly Part[]
}

type Part = Buffer | string | null

/**
 * Records as Kafka stores them, in one batch, all of the same time, not compressed. kafkajs does the same with several buffers for each
 * record, which was most of what a message cost to publish.
 */
export function encodeBatch(records: readonly RecordOut[], atMs: number): Buffer {
  const laid = records.map(({ key, value, headers }) => ({ key, value, headers: partsOf(headers) }))
  const sizes = laid.map(sizeOf)
  let bytes = OVERHEAD_BYTES
  for (const size of sizes) bytes += size + varintBytes(size * 2)
  const buffer = Buffer.allocUnsafe(bytes)
  writeOverhead(buffer, records.length, atMs)
  let at = OVERHEAD_BYTES
  for (let n = 0; n < laid.length; n++) {
    at = writeVarint(buffer, at, (sizes[n] as number) * 2)
    at = writeRecord(buffer, at, laid[n] as Laid, n)
  }
  buffer.writeUInt32BE(crc32c(buffer.subarray(CHECKED_FROM)), CHECKED_FROM - 4)
  return buffer
}

function writeOverhead(buffer: Buffer, count: number, atMs: number): void {
  buffer.writeBigInt64BE(0n, 0) // first offset: the broker's business
  buffer.writeInt32BE(buffer.length - 12, 8)
  buffer.writeInt32BE(-1, 12) // leader epoch
  buffer.writeInt8(MAGIC, 16)
  buffer.writeInt16BE(0, 21) // neither compressed nor of a transaction; time by its author
  buffer.writeInt32BE(count - 1, 23)
  buffer.writeBigInt64BE(BigInt(atMs), 27)
  buffer.writeBigInt64BE(BigInt(atMs), 35)
  buffer.writeBigInt64BE(-1n, 43) // no producer id: never idempotent
  buffer.writeInt16BE(-1, 51)
  buffer.writeInt32BE(-1, 53)
  buffer.writeInt32BE(count, 57)
}

/** Without its own length in front. */
function sizeOf({ key, value, headers }: Laid, offset: number): number {
  // Attributes and time, one byte each.
  let bytes = 2 + varintBytes(offset * 2) + partBytes(key) + partBytes(value) + varintBytes(headers.length)
  for (const part of headers) bytes += partBytes(part)
  return bytes
}

function writeRecord(buffer: Buffer, from: number, { key, value, headers }: Laid, offset: number): number {
  buffer[from] = 0
  buffer[from + 1] = 0
  let at = writeVarint(buffer, from + 2, offset * 2)
  at = writePart(buffer, at, key)
  at = writePart(buffer, at, value)
  at = writeVarint(buffer, at, headers.length)
  for (const part of headers) at = writePart(buffer, at, part)
  return at
}

function partBytes(part: Part): number {
  if (part === null) return 1
  const bytes = typeof part === 'string' ? Buffer.byteLength(part) : part.length
  return bytes + varintBytes(bytes * 2)
}

function writePart(buffer: Buffer, from: number, part: Part): number {
  if (part === null) return writeVarint(buffer, from, NULL_VARINT)
  if (typeof part === 'string') {
    const bytes = Buffer.byteLength(part)
    const at = writeVarint(buffer, from, bytes * 2)
    return at + (bytes === part.length ? buffer.write(part, at, 'latin1') : buffer.write(part, at))
  }
  const at = writeVarint(buffer, from, part.length * 2)
  buffer.set(part, at)
  return at + part.length
}

/** Given twice the number, as all of them are written here: the lowest bit is the sign. */
function varintBytes(zigzag: number): number {
  let bytes = 1
  for (let rest = zigzag; rest > 0x7f; rest >>>= 7) bytes++
  return bytes
}

function writeVarint(buffer: Buffer, from: number, zigzag: number): number {
  let at = from
  let rest = zigzag
  for (; rest > 0x7f; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80
  buffer[at++] = rest
  return at
}
