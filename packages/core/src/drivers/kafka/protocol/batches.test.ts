import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readBatches } from './batches.ts'
import { loadLibrary } from './kafkajs.ts'
import { encodeBatch } from './record-batch.ts'
import type { RecordIn } from './record-in.ts'
import type { RecordOut } from './records.ts'

await loadLibrary()

const AT = 1_700_000_000_123
const RECORDS_AT = 61

const record = (value: string, headers: RecordOut['headers'] = {}): RecordOut => ({ key: null, value: Buffer.from(value), headers })
/** As a broker gives it back: it sets the first offset. */
function stored(records: readonly RecordOut[], firstOffset: number): Buffer {
  const batch = encodeBatch(records, AT)
  batch.writeBigInt64BE(BigInt(firstOffset), 0)
  return batch
}
const contents = ({ offset, at, key, value, headers }: RecordIn) => ({ offset, at, key, value, headers })
const values = async (bytes: Buffer) => (await readBatches(bytes)).map(({ records }) => records.map(({ value }) => String(value)))

test('several batches are read as they were written: offsets, times, keys, null, empty, headers', async () => {
  const first: RecordOut[] = [
    { key: Buffer.from([0, 255]), value: Buffer.from('one'), headers: { id: 'a', Grüße: '日本', raw: Buffer.from([1]) } },
    { key: null, value: null, headers: { id: 'b' } },
    { key: Buffer.alloc(0), value: Buffer.alloc(0), headers: { twice: [Buffer.from('x'), Buffer.from('y')], other: '' } },
  ]
  const batches = await readBatches(Buffer.concat([stored(first, 5), stored([record('last')], 8)]))
  expect(batches.map(({ last, producerId, inTransaction, isMarker }) => ({ last, producerId, inTransaction, isMarker }))).toEqual([
    { last: 7, producerId: '-1', inTransaction: false, isMarker: false },
    { last: 8, producerId: '-1', inTransaction: false, isMarker: false },
  ])
  expect(batches.flatMap(({ records }) => records.map(contents))).toEqual([
    {
      offset: 5,
      at: AT,
      key: Buffer.from([0, 255]),
      value: Buffer.from('one'),
      headers: { id: Buffer.from('a'), Grüße: Buffer.from('日本'), raw: Buffer.from([1]) },
    },
    { offset: 6, at: AT, key: null, value: null, headers: { id: Buffer.from('b') } },
    {
      offset: 7,
      at: AT,
      key: Buffer.alloc(0),
      value: Buffer.alloc(0),
      headers: { twice: [Buffer.from('x'), Buffer.from('y')], other: Buffer.alloc(0) },
    },
    { offset: 8, at: AT, key: null, value: Buffer.from('last'), headers: {} },
  ])
})

test('a batch that is cut off is left for the next answer, wherever it is cut', async () => {
  const [whole, next] = [stored([record('one'), record('two')], 0), stored([record('three')], 2)]
  for (let length = 0; length < next.length; length++)
    expect(await values(Buffer.concat([whole, next.subarray(0, length)]))).toEqual([['one', 'two']])
  expect(await values(Buffer.concat([whole, next]))).toEqual([['one', 'two'], ['three']])
})

test('a compressed batch is read like any other', async () => {
  const plain = stored([record('one', { id: 'a' }), record('two', { id: 'b' })], 3)
  const packed = Buffer.concat([plain.subarray(0, RECORDS_AT), gzipSync(plain.subarray(RECORDS_AT))])
  packed.writeInt32BE(packed.length - 12, 8)
  packed.writeInt16BE(1, 21) // gzip
  const read = async (bytes: Buffer) =>
    (await readBatches(bytes)).map(({ records, ...batch }) => ({ ...batch, records: records.map(contents) }))
  expect(await read(packed)).toEqual(await read(plain))
})

test.each([
  ['a codec that nobody knows', 5, /^2 records of Kafka, compressed with codec 5, .*no such codec/],
  ['another codec than it says', 2, /compressed with snappy, cannot be read: /],
  ['none, and has less than it says', 0, /cannot be read: its 3 records/],
])('a batch with %s is one record that says so and has the bytes; those beside it are read', async (_, codec, why) => {
  const packed = stored([record('one'), record('two')], 5)
  const bytes = packed.subarray(RECORDS_AT)
  packed.writeInt16BE(codec, 21)
  if (codec === 0) packed.writeInt32BE(3, 57)
  const [before, batch, behind] = await readBatches(Buffer.concat([stored([record('a')], 4), packed, stored([record('b')], 7)]))
  expect([before, behind].map((one) => String(one?.records[0]?.value))).toEqual(['a', 'b'])
  expect(batch?.last).toBe(6)
  expect(batch?.records.map(({ offset, at, value }) => ({ offset, at, value }))).toEqual([{ offset: 6, at: AT, value: bytes }])
  expect(batch?.records[0]?.unreadable).toMatch(why)
  expect(batch?.records[0]?.text().headers).toEqual({})
})

test('stamped by the broker, all have its time', async () => {
  const batch = stored([record('one'), record('two')], 0)
  batch.writeInt16BE(8, 21)
  batch.writeBigInt64BE(77n, 35)
  expect((await readBatches(batch))[0]?.records.map(({ at }) => at)).toEqual([77, 77])
})

test('a header named __proto__ is a header', async () => {
  const headers = JSON.parse('{"__proto__":"x","id":"a"}')
  const [batch] = await readBatches(stored([record('one', headers)], 0))
  expect(Object.entries(batch?.records[0]?.headers ?? {})).toEqual([
    ['__proto__', Buffer.from('x')],
    ['id', Buffer.from('a')],
  ])
})
