/** The reversed polynomial of Castagnoli. */
const POLYNOMIAL = 0x82f63b78

const tableOf = (left: (byte: number) => number): Int32Array => Int32Array.from({ length: 256 }, (_, byte) => left(byte))

function ofOneByte(byte: number): number {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  return crc
}

/** With one more byte behind it. */
const further = (table: Int32Array): Int32Array => tableOf((byte) => LAST[table[byte]! & 0xff]! ^ (table[byte]! >>> 8))

// What a byte leaves, by how many follow it of those that are taken together.
const LAST = tableOf(ofOneByte)
const ONE = further(LAST)
const TWO = further(ONE)
const THREE = further(TWO)
const FOUR = further(THREE)
const FIVE = further(FOUR)
const SIX = further(FIVE)
const SEVEN = further(SIX)

/** The checksum of a record batch (RFC 3720, B.4), eight bytes at a time: kafkajs takes one, and many times as long. */
export function crc32c(bytes: Buffer): number {
  let crc = -1
  let at = 0
  for (const end = bytes.length - 7; at < end; at += 8) {
    const first = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    crc =
      SEVEN[first & 0xff]! ^
      SIX[(first >>> 8) & 0xff]! ^
      FIVE[(first >>> 16) & 0xff]! ^
      FOUR[first >>> 24]! ^
      THREE[bytes[at + 4]!]! ^
      TWO[bytes[at + 5]!]! ^
      ONE[bytes[at + 6]!]! ^
      LAST[bytes[at + 7]!]!
  }
  for (; at < bytes.length; at++) crc = LAST[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return (crc ^ -1) >>> 0
}
