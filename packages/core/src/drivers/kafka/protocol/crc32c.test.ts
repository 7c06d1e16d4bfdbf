import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { crc32c } from './crc32c.ts'

const kafkajs: (bytes: Buffer) => number = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/crc32C')

test('the examples of RFC 3720, B.4', () => {
  const counting = Buffer.from(Array.from({ length: 32 }, (_, n) => n))
  expect([Buffer.alloc(32), Buffer.alloc(32, 0xff), counting, Buffer.from(counting).reverse()].map(crc32c)).toEqual([
    0x8a9136aa, 0x62a8ab43, 0x46dd794e, 0x113fdb5c,
  ])
})

test('the same as kafkajs of any length and bytes', () => {
  for (let length = 0; length < 300; length++) {
    const bytes = Buffer.from(Array.from({ length }, (_, n) => (n * 7_919 + length * 104_729) >>> 3))
    expect(crc32c(bytes)).toBe(kafkajs(bytes))
  }
})
