import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { encodeBatch } from './record-batch.ts'
import type { RecordOut } from './records.ts'

interface Read {
  readonly firstTimestamp: string
  readonly records: readonly { offset: string; key: Buffer | null; value: Buffer | null; headers: Record<string, Buffer | Buffer[]> }[]
}

const require = createRequire(import.meta.url)
const Decoder = require('kafkajs/src/protocol/decoder')
const decode: (decoder: object) => Promise<Read> = require('kafkajs/src/protocol/recordBatch/v0/decoder')
const crc32c: (bytes: Buffer) => number = require('kafkajs/src/protocol/recordBatch/crc32C')

const AT = 1_700_000_000_123
const read = (records: readonly RecordOut[]): Promise<Read> => decode(new Decoder(encodeBatch(records, AT)))

test('a batch is read back by kafkajs as it was: keys, values, null, empty, headers in any UTF-8, one that is there twice', async () => {
  const records: RecordOut[] = [
    { key: Buffer.from([0, 255]), value: Buffer.from('one'), headers: { 'corebus-id': 'a', Grüße: '日本 ✓', raw: Buffer.from([1, 2]) } },
    { key: null, value: null, headers: {} },
    { key: Buffer.alloc(0), value: Buffer.alloc(0), headers: { twice: [Buffer.from('x'), Buffer.from('y')], empty: '' } },
  ]
  const { firstTimestamp, records: found } = await read(records)
  expect(firstTimestamp).toBe(String(AT))
  expect(found.map(({ offset }) => offset)).toEqual(['0', '1', '2'])
  expect(found.map(({ key }) => key)).toEqual(records.map(({ key }) => key))
  expect(found.map(({ value }) => value)).toEqual(records.map(({ value }) => value))
  expect(found.map(({ headers }) => headers)).toEqual([
    { 'corebus-id': Buffer.from('a'), Grüße: Buffer.from('日本 ✓'), raw: Buffer.from([1, 2]) },
    {},
    { twice: [Buffer.from('x'), Buffer.from('y')], empty: Buffer.alloc(0) },
  ])
})

test('lengths on both sides of every size of their number are read back', async () => {
  const lengths = [0, 1, 62, 63, 64, 65, 127, 128, 8_190, 8_191, 8_192, 8_193, 500_000]
  const records = [...lengths, ...Array.from({ length: 200 }, () => 3)].map((length) => ({
    key: null,
    value: Buffer.alloc(length, 7),
    headers: { 'x-long': 'y'.repeat(length % 10_000) },
  }))
  const found = (await read(records)).records
  expect(found.map(({ value }) => value?.length)).toEqual(records.map(({ value }) => value.length))
  expect(found.map(({ headers }) => (headers['x-long'] as Buffer).length)).toEqual(records.map(({ headers }) => headers['x-long'].length))
})

test('length and checksum cover all of it', () => {
  const batch = encodeBatch([{ key: null, value: Buffer.from('one'), headers: {} }], AT)
  expect(batch.readInt32BE(8)).toBe(batch.length - 12)
  expect(batch.readUInt32BE(17)).toBe(crc32c(batch.subarray(21)))
})
