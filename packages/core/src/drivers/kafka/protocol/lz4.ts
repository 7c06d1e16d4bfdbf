import { copyWithin } from './snappy.ts'

/**
 * LZ4 (github.com/lz4/lz4, lz4_Frame_format.md and lz4_Block_format.md). The checksum of a frame's header is written, since clients look at it, and
 * not read: in the layout from before Kafka 0.11 Java's was a wrong one (KIP-57). Those of contents are not read either: the broker's is around
 * all of it.
 */

const MAGIC = 0x184d2204
/** Anything in it is to be left out; the lowest four bits are free. */
const SKIPPED = 0x184d2a50
const VERSION = 1
const UNCOMPRESSED = 0x80000000
const LEAST_MATCH = 4
const WORD = 4
/** Blocks of 64 KiB, as the Java clients have them: the smallest there are. */
const BLOCK_BYTES = 64 * 1024
const BLOCK_SIZE_CODE = 4
/** The last match ends so far before the end of its block, and begins so far before it. */
const LAST_LITERALS = 5
const LAST_MATCH = 12

/** @throws Error for what is no LZ4 */
export function decompressLz4(bytes: Buffer): Buffer {
  const out = new Output(bytes.length * 4)
  for (let at = 0; at < bytes.length; ) {
    const magic = word(bytes, at)
    if ((magic & 0xfffffff0) >>> 0 === SKIPPED) at += 2 * WORD + word(bytes, at + WORD)
    else if (magic === MAGIC) at = readFrame(bytes, at + WORD, out)
    else throw new Error('it is no frame')
  }
  return out.bytes
}

/** @returns where the frame ends. */
function readFrame(bytes: Buffer, from: number, out: Output): number {
  const flags = bytes[from] ?? 0
  if (flags >> 6 !== VERSION) throw new Error(`a frame of version ${flags >> 6}`)
  const has = (bit: number) => (flags & (1 << bit)) !== 0
  if (has(0)) throw new Error('it needs a dictionary')
  const [independent, blockChecksum, size, checksum] = [has(5), has(4), has(3), has(2)]
  // Flags, the size of blocks, and the checksum of these.
  let at = from + 3 + (size ? 8 : 0)
  for (;;) {
    const said = word(bytes, at)
    at += WORD
    if (said === 0) return at + (checksum ? WORD : 0)
    const end = at + (said & ~UNCOMPRESSED)
    if (end > bytes.length) throw new Error('it is cut off')
    const block = bytes.subarray(at, end)
    if ((said & UNCOMPRESSED) !== 0) out.add(block)
    else readBlock(block, out, independent ? out.length : 0)
    at = end + (blockChecksum ? WORD : 0)
  }
}

/** A sequence is some bytes as they are, and a copy of what came before; the last one is without a copy. `first`: nothing before it is copied. */
function readBlock(bytes: Buffer, out: Output, first: number): void {
  let at = 0
  const longer = (length: number): number => {
    let sum = length
    if (length === 15)
      for (let byte = 255; byte === 255; sum += byte) {
        if (at >= bytes.length) throw new Error('it is cut off')
        byte = bytes[at++] as number
      }
    return sum
  }
  while (at < bytes.length) {
    const token = bytes[at++] as number
    const literals = longer(token >> 4)
    if (at + literals > bytes.length) throw new Error('it is cut off')
    out.add(bytes.subarray(at, at + literals))
    at += literals
    if (at === bytes.length) return
    if (at + 2 > bytes.length) throw new Error('it is cut off')
    const offset = bytes.readUInt16LE(at)
    at += 2
    const count = longer(token & 15) + LEAST_MATCH
    if (offset === 0 || out.length - offset < first) throw new Error('a copy of what is not there')
    out.repeat(offset, count)
  }
}

/** Grows: a frame need not say how long it will be. */
class Output {
  #bytes: Buffer
  length = 0

  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafe(Math.max(size, 64))
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }

  add(bytes: Buffer): void {
    this.#room(bytes.length)
    bytes.copy(this.#bytes, this.length)
    this.length += bytes.length
  }

  repeat(offset: number, count: number): void {
    this.#room(count)
    copyWithin(this.#bytes, this.length, offset, count)
    this.length += count
  }

  #room(count: number): void {
    if (this.length + count <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.length + count))
    this.#bytes.copy(larger, 0, 0, this.length)
    this.#bytes = larger
  }
}

function word(bytes: Buffer, at: number): number {
  if (at + WORD > bytes.length) throw new Error('it is cut off')
  return bytes.readUInt32LE(at)
}

/** One frame of independent blocks, without checksums of its contents. */
export function compressLz4(bytes: Buffer): Buffer {
  const header = Buffer.alloc(7)
  header.writeUInt32LE(MAGIC)
  header[4] = (VERSION << 6) | (1 << 5)
  header[5] = BLOCK_SIZE_CODE << 4
  header[6] = (xxh32OfShort(header.subarray(4, 6)) >>> 8) & 0xff
  const parts: Buffer[] = [header]
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const block = bytes.subarray(at, at + BLOCK_BYTES)
    const compressed = compressBlock(block)
    const smaller = compressed.length < block.length
    parts.push(wordOf(smaller ? compressed.length : block.length | UNCOMPRESSED), smaller ? compressed : block)
  }
  return Buffer.concat([...parts, wordOf(0)])
}

function wordOf(value: number): Buffer {
  const bytes = Buffer.alloc(WORD)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

const TABLE_BITS = 12

function compressBlock(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(16 + bytes.length + Math.ceil(bytes.length / 255))
  const places = new Int32Array(1 << TABLE_BITS).fill(-1)
  let end = 0
  let literal = 0
  let at = 0
  while (at <= bytes.length - LAST_MATCH) {
    const four = bytes.readInt32LE(at)
    const slot = Math.imul(four, 0x9e3779b1) >>> (32 - TABLE_BITS)
    const before = places[slot] as number
    places[slot] = at
    if (before < 0 || at - before > 0xffff || bytes.readInt32LE(before) !== four) {
      at++
      continue
    }
    let length = LEAST_MATCH
    while (at + length < bytes.length - LAST_LITERALS && bytes[before + length] === bytes[at + length]) length++
    end = writeSequence(out, end, bytes.subarray(literal, at), length - LEAST_MATCH)
    // The offset stands between what says how long the two are.
    end = writeMatch(out, end, at - before, length - LEAST_MATCH)
    at += length
    literal = at
  }
  return out.subarray(0, writeSequence(out, end, bytes.subarray(literal), 0))
}

function writeSequence(out: Buffer, from: number, literals: Buffer, match: number): number {
  out[from] = (Math.min(literals.length, 15) << 4) | Math.min(match, 15)
  const at = writeLonger(out, from + 1, literals.length)
  return at + literals.copy(out, at)
}

function writeMatch(out: Buffer, from: number, offset: number, match: number): number {
  return writeLonger(out, out.writeUInt16LE(offset, from), match)
}

function writeLonger(out: Buffer, from: number, length: number): number {
  let at = from
  if (length < 15) return at
  let rest = length - 15
  for (; rest >= 255; rest -= 255) out[at++] = 255
  out[at++] = rest
  return at
}

const [PRIME_1, PRIME_2, PRIME_3, PRIME_5] = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x165667b1] as const

/** xxHash32 with the seed 0, of fewer than 4 bytes: what the header of a frame has. */
function xxh32OfShort(bytes: Buffer): number {
  let hash = (PRIME_5 + bytes.length) | 0
  for (const byte of bytes) {
    hash = (hash + Math.imul(byte, PRIME_5)) | 0
    hash = Math.imul((hash << 11) | (hash >>> 21), PRIME_1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}
