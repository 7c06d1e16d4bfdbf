import { expect, test } from 'vitest'
import { hex } from './fixtures/incoming.ts'
import { decodeStrings, encodeStrings } from './msgpack.ts'

// As msgpack of Python has packed them.
const PACKED: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
  [
    'short and long texts',
    { name: 'orders.OrderPlaced', correlation_id: 'c-1', ünï: 'x'.repeat(40) },
    `83a46e616d65b26f72646572732e4f72646572506c61636564ae636f7272656c6174696f6e5f6964a3632d31a5c3bc6ec3afd928${'78'.repeat(40)}`,
  ],
  ['a text of 300 bytes', { name: 'n'.repeat(300) }, `81a46e616d65da012c${'6e'.repeat(300)}`],
  [
    'more than fifteen entries',
    Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, `v${i}`])),
    'de0014a26b30a27630a26b31a27631a26b32a27632a26b33a27633a26b34a27634a26b35a27635a26b36a27636a26b37a27637a26b38a27638a26b39a27639a36b3130a3763130a36b3131a3763131a36b3132a3763132a36b3133a3763133a36b3134a3763134a36b3135a3763135a36b3136a3763136a36b3137a3763137a36b3138a3763138a36b3139a3763139',
  ],
  ['nothing', {}, '80'],
]

test.each(PACKED)('%s are packed and unpacked', (_, map, packed) => {
  expect(Buffer.from(encodeStrings(map)).toString('hex')).toBe(packed)
  expect({ ...decodeStrings(hex(packed)) }).toEqual(map)
})

test('more entries than two bytes count', () => {
  const many = Object.fromEntries(Array.from({ length: 0x1_0001 }, (_, i) => [String(i), '']))
  expect(Object.keys(decodeStrings(encodeStrings(many)))).toHaveLength(0x1_0001)
})

test('a long text, and texts that were written as bytes', () => {
  const long = { a: 'ä'.repeat(40_000) }
  expect({ ...decodeStrings(encodeStrings(long)) }).toEqual(long)
  expect({ ...decodeStrings(hex('81c40161c5000162')) }).toEqual({ a: 'b' })
})

test.each<[string, string, RegExp]>([
  ['no map', '93010203', /is no map: it begins with 0x93/],
  ['a number', '81a16107', /type 0x7 where a string is expected/],
  ['half a text', '81a161a5626f', /is cut off/],
  ['half a map', '82a161a162', /outside the bounds/],
  ['no UTF-8', '81a161a1ff', /not valid/],
])('%s is an error', (_, packed, words) => {
  expect(() => decodeStrings(hex(packed))).toThrow(words)
})
