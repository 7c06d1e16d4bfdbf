/**
 * Snappy (github.com/google/snappy, format_description.txt), and the frame that Java's clients put around it (xerial): a header, and blocks with
 * their length before each. librdkafka writes one block without a frame. Neither has a checksum: the broker's is around all of it.
 */

const FRAME = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
/** The magic, the version of the writer, and the oldest reader that understands it. */
const FRAME_HEADER_BYTES = 16
const LENGTH_BYTES = 4
/** As the Java clients have it. */
const BLOCK_BYTES = 32 * 1024

/** @throws Error for what is no Snappy */
export function decompressSnappy(bytes: Buffer): Buffer {
  if (bytes.length < FRAME_HEADER_BYTES || bytes.compare(FRAME, 0, FRAME.length, 0, FRAME.length) !== 0) return decompressBlock(bytes)
  const blocks: Buffer[] = []
  for (let at = FRAME_HEADER_BYTES; at < bytes.length; ) {
    if (at + LENGTH_BYTES > bytes.length) throw cutOff()
    const end = at + LENGTH_BYTES + bytes.readUInt32BE(at)
    if (end > bytes.length) throw cutOff()
    blocks.push(decompressBlock(bytes.subarray(at + LENGTH_BYTES, end)))
    at = end
  }
  return blocks.length === 1 ? (blocks[0] as Buffer) : Buffer.concat(blocks)
}

/** In the frame of the Java clients, which every client reads. */
export function compressSnappy(bytes: Buffer): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES)
  FRAME.copy(header)
  header.writeUInt32BE(1, 8)
  header.writeUInt32BE(1, 12)
  const parts: Buffer[] = [header]
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const block = compressBlock(bytes.subarray(at, at + BLOCK_BYTES))
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

/** Elements of a block say in their two lowest bits what they are: bytes as they are, or a copy of what came before. */
function decompressBlock(bytes: Buffer): Buffer {
  const [length, start] = lengthOf(bytes)
  const out = Buffer.allocUnsafe(length)
  let at = start
  let end = 0
  while (at < bytes.length) {
    const tag = bytes[at++] as number
    let count = (tag >> 2) + 1
    if ((tag & 3) === 0) {
      const more = count - 60
      if (more > 0) {
        if (at + more > bytes.length) throw cutOff()
        count = bytes.readUIntLE(at, more) + 1
        at += more
      }
      if (at + count > bytes.length || end + count > length) throw cutOff()
      bytes.copy(out, end, at, at + count)
      at += count
      end += count
      continue
    }
    const offsetBytes = OFFSET_BYTES[tag & 3] as number
    if (at + offsetBytes > bytes.length) throw cutOff()
    const short = offsetBytes === 1
    const offset = short ? ((tag & 0xe0) << 3) | (bytes[at] as number) : bytes.readUIntLE(at, offsetBytes)
    if (short) count = ((tag >> 2) & 7) + 4
    at += offsetBytes
    if (offset === 0 || offset > end || end + count > length) throw new Error('a copy of what is not there')
    copyWithin(out, end, offset, count)
    end += count
  }
  if (end !== length) throw cutOff()
  return out
}

const OFFSET_BYTES = [0, 1, 2, 4]

/** What is copied may overlap what it is copied to: a run. */
export function copyWithin(out: Buffer, to: number, offset: number, count: number): void {
  if (offset >= count) out.copyWithin(to, to - offset, to - offset + count)
  else for (let n = 0; n < count; n++) out[to + n] = out[to + n - offset] as number
}

/** Of what is compressed, and where it begins. */
function lengthOf(bytes: Buffer): readonly [length: number, start: number] {
  let length = 0
  let scale = 1
  for (let at = 0; at < Math.min(5, bytes.length); at++, scale *= 0x80) {
    const byte = bytes[at] as number
    length += (byte & 0x7f) * scale
    if (byte <= 0x7f) {
      // An element of 3 bytes makes 64 at most.
      if (length > bytes.length * 64) break
      return [length, at + 1]
    }
  }
  throw new Error('no length that can be')
}

const TABLE_BITS = 12
const LEAST_MATCH = 4
const LONGEST_COPY = 64

/** The nearest earlier place with the same four bytes, if it was kept, is copied from. A block is short enough for offsets of two bytes. */
function compressBlock(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(32 + bytes.length + Math.ceil(bytes.length / 6))
  const places = new Int32Array(1 << TABLE_BITS).fill(-1)
  let end = writeLength(out, bytes.length)
  let literal = 0
  let at = 0
  while (at + LEAST_MATCH <= bytes.length) {
    const four = bytes.readInt32LE(at)
    const slot = Math.imul(four, 0x1e35a7bd) >>> (32 - TABLE_BITS)
    const before = places[slot] as number
    places[slot] = at
    if (before < 0 || bytes.readInt32LE(before) !== four) {
      at++
      continue
    }
    let length = LEAST_MATCH
    while (at + length < bytes.length && bytes[before + length] === bytes[at + length]) length++
    end = writeLiteral(out, end, bytes, literal, at)
    for (let left = length; left > 0; left -= LONGEST_COPY) {
      out[end] = ((Math.min(left, LONGEST_COPY) - 1) << 2) | 2
      end = out.writeUInt16LE(at - before, end + 1)
    }
    at += length
    literal = at
  }
  return out.subarray(0, writeLiteral(out, end, bytes, literal, bytes.length))
}

function writeLength(out: Buffer, length: number): number {
  let at = 0
  let rest = length
  for (; rest > 0x7f; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80
  out[at++] = rest
  return at
}

function writeLiteral(out: Buffer, end: number, bytes: Buffer, from: number, to: number): number {
  const last = to - from - 1
  if (last < 0) return end
  let at = end
  if (last < 60) out[at++] = last << 2
  else {
    out[at++] = (last < 0x100 ? 60 : 61) << 2
    at = last < 0x100 ? out.writeUInt8(last, at) : out.writeUInt16LE(last, at)
  }
  return at + bytes.copy(out, at, from, to)
}

function cutOff(): Error {
  return new Error('it is cut off')
}
