/** MessagePack (https://msgpack.org) as far as a map of strings needs it. */

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export function encodeStrings(map: Readonly<Record<string, string>>): Uint8Array {
  const entries = Object.entries(map)
  const { length } = entries
  const parts: Uint8Array[] = [
    length < 16
      ? Uint8Array.of(0x80 | length)
      : length < 0x1_0000
        ? Uint8Array.of(0xde, length >> 8, length & 0xff)
        : Uint8Array.of(0xdf, (length >>> 24) & 0xff, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff),
  ]
  for (const text of entries.flat()) parts.push(...encodeString(text))
  return Buffer.concat(parts)
}

function encodeString(text: string): readonly Uint8Array[] {
  const bytes = encoder.encode(text)
  const { length } = bytes
  if (length < 32) return [Uint8Array.of(0xa0 | length), bytes]
  if (length < 0x100) return [Uint8Array.of(0xd9, length), bytes]
  if (length < 0x1_0000) return [Uint8Array.of(0xda, length >> 8, length & 0xff), bytes]
  return [Uint8Array.of(0xdb, (length >>> 24) & 0xff, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff), bytes]
}

/** @throws Error for what is no map of strings, and one that is cut off */
export function decodeStrings(bytes: Uint8Array): Readonly<Record<string, string>> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const take = (size: 1 | 2 | 4): number => {
    const value = size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at) : view.getUint32(at)
    at += size
    return value
  }
  const string = (): string => {
    const first = take(1)
    // Written as bytes (0xc4 to 0xc6) by some, as text by most.
    const length =
      first >> 5 === 5
        ? first & 0x1f
        : first === 0xd9 || first === 0xc4
          ? take(1)
          : first === 0xda || first === 0xc5
            ? take(2)
            : longOr(first)
    if (at + length > bytes.length) throw new Error('the MessagePack is cut off')
    const text = decoder.decode(bytes.subarray(at, at + length))
    at += length
    return text
  }
  const longOr = (first: number): number => {
    if (first === 0xdb || first === 0xc6) return take(4)
    throw new Error(`the MessagePack has the type 0x${first.toString(16)} where a string is expected`)
  }
  const first = take(1)
  const count = first >> 4 === 8 ? first & 0x0f : first === 0xde ? take(2) : first === 0xdf ? take(4) : undefined
  if (count === undefined) throw new Error(`the MessagePack is no map: it begins with 0x${first.toString(16)}`)
  const map: Record<string, string> = Object.create(null)
  for (let n = 0; n < count; n++) {
    const name = string()
    map[name] = string()
  }
  return map
}
