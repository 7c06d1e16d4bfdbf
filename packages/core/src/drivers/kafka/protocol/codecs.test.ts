import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { compressLz4, decompressLz4 } from './lz4.ts'
import { compressSnappy, decompressSnappy } from './snappy.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')

/** Bytes that are the same in each run: noise, and noise with repetitions near and far. */
function noise(length: number, values = 256): Buffer {
  let state = 42
  return Buffer.from(
    Array.from({ length }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
      return state % values
    }),
  )
}

const CONTENTS: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.from('x')],
  ['a run', Buffer.alloc(100_000, 'a')],
  ['a run of three', Buffer.from('abc'.repeat(50_000))],
  ['text', Buffer.from(Array.from({ length: 4_000 }, (_, n) => `{"id":${n},"total":${n * 7},"currency":"EUR"}\n`).join(''))],
  ['noise', noise(200_000)],
  ['noise of few values', noise(200_000, 3)],
  ['what is repeated from far', Buffer.concat([noise(60_000), noise(60_000), noise(60_000)])],
  ...Array.from({ length: 70 }, (_, n) => [`${n} bytes of noise`, noise(n, 2)] as const),
]

const FORMATS = [
  ['snappy', compressSnappy, decompressSnappy],
  ['lz4', compressLz4, decompressLz4],
] as const

describe.each(FORMATS)('%s', (_, compress, decompress) => {
  test.each(CONTENTS)('is read as it was written: %s', (_, bytes) => {
    expect(decompress(compress(bytes)).equals(bytes)).toBe(true)
  })

  test('makes less of what repeats itself, and hardly more of what does not', () => {
    expect(compress(Buffer.alloc(100_000, 'a')).length).toBeLessThan(6_000)
    expect(compress(noise(200_000)).length).toBeLessThan(201_000)
  })

  test('that is cut off, or changed anywhere, is an error or other bytes, and never more than that', () => {
    const whole = compress(Buffer.from('{"id":1,"total":9.5}'.repeat(20)))
    for (let length = 17; length < whole.length; length++) expect(() => decompress(whole.subarray(0, length))).toThrow()
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] ?? 0) ^ 0xff
      try {
        decompress(changed)
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(Error)
      }
    }
  })
})

describe('documented bytes', () => {
  // Of format_description.txt: a literal, then copies with offsets of one, two and four bytes.
  test.each([
    ['a literal', '03 08 616263', 'abc'],
    ['a copy of one byte of offset', '0a 08 616263 0d 03', 'abcabcabca'],
    ['of two', '0a 08 616263 1a 0300', 'abcabcabca'],
    ['of four', '0a 08 616263 1b 03000000', 'abcabcabca'],
    ['a literal whose length has a byte of its own', `46 f0 45 ${'61'.repeat(70)}`, 'a'.repeat(70)],
  ])('a block of Snappy: %s', (_, bytes, text) => {
    expect(String(decompressSnappy(hex(bytes)))).toBe(text)
  })

  // As snappy-java's SnappyOutputStream and Kafka's Java producer write it.
  test('two blocks in the frame of the Java clients', () => {
    const frame = hex('82534e4150505900 00000001 00000001 00000005 03 08 616263 00000004 02 04 6465')
    expect(String(decompressSnappy(frame))).toBe('abcde')
    expect(compressSnappy(Buffer.from('abc'))).toEqual(hex('82534e4150505900 00000001 00000001 00000005 03 08 616263'))
  })

  // xxHash32 of 60 40 begins, in its second byte, with 82: the header that all clients write for these flags.
  test('a frame of LZ4 with its header', () => {
    expect(compressLz4(Buffer.from('abc'))).toEqual(hex('04224d18 60 40 82 03000080 616263 00000000'))
  })

  test.each([
    ['with a header checksum that is wrong, as before Kafka 0.11', '04224d18 60 40 00 03000080 616263 00000000', 'abc'],
    ['with checksums and a size', '04224d18 7c 40 00 0300000000000000 03000080 616263 ffffffff 00000000 ffffffff', 'abc'],
    ['after one that is to be skipped', '50 2a4d18 02000000 0000 04224d18 60 40 82 03000080 616263 00000000', 'abc'],
    ['a copy that overlaps itself', '04224d18 60 40 82 09000000 3f 616263 0300 00 10 61 00000000', undefined],
  ])('a frame of LZ4 %s', (_, bytes, text) => {
    if (text !== undefined) expect(String(decompressLz4(hex(bytes)))).toBe(text)
    else expect(String(decompressLz4(hex(bytes)))).toBe(`${'abc'.repeat(7)}a${'a'}`)
  })

  test('what is neither is an error', () => {
    for (const bytes of [hex('ffffffffff'), hex('7f'), hex('80')]) expect(() => decompressSnappy(bytes)).toThrow()
    for (const bytes of [hex('00'), hex('04224d19 00'), hex('04224d18 a0 40 82 00000000'), hex('04224d18 61 40 82 00000000')])
      expect(() => decompressLz4(bytes)).toThrow()
    expect(() => decompressSnappy(hex('0a 08 616263 1a 0400'))).toThrow('not there')
  })
})

const has = (command: string) => {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe.skipIf(!has('lz4'))('the program lz4', () => {
  const run = (args: readonly string[], input: Buffer) =>
    execFileSync('lz4', args, { input, maxBuffer: 1 << 26, stdio: ['pipe', 'pipe', 'ignore'] })

  test.each(CONTENTS.slice(0, 8))('reads what is written here, and is read: %s', (_, bytes) => {
    expect(run(['-d', '-c'], compressLz4(bytes)).equals(bytes)).toBe(true)
    for (const args of [['-1'], ['-9', '-BD'], ['-B4', '-BX', '--content-size']])
      expect(decompressLz4(run([...args, '-c'], bytes)).equals(bytes)).toBe(true)
  })
})
