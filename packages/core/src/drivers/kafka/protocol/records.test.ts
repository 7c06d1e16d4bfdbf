import { expect, test } from 'vitest'
import { recordIn } from '../fixtures/records.ts'
import type { RecordBatch } from './batches.ts'
import { loadLibrary } from './kafkajs.ts'
import { readable } from './records.ts'

await loadLibrary()

const batch = (offsets: readonly number[], rest: Partial<RecordBatch> = {}): RecordBatch => ({
  last: offsets.at(-1) ?? 0,
  producerId: '-1',
  inTransaction: false,
  isMarker: false,
  records: offsets.map((offset) => recordIn(offset)),
  ...rest,
})
const marker = (offset: number, producerId: string, type: 0 | 1) =>
  batch([], {
    last: offset,
    producerId,
    inTransaction: true,
    isMarker: true,
    records: [recordIn(offset, { key: Buffer.from([0, 0, 0, type]) })],
  })
const abort = (offset: number, producerId: string) => marker(offset, producerId, 0)
const commit = (offset: number, producerId: string) => marker(offset, producerId, 1)

test('begins where it was asked, though brokers answer with whole batches', () => {
  const { records, next } = readable([batch([0, 1, 2, 3])], 2, [])
  expect([records.map(({ offset }) => offset), next]).toEqual([[2, 3], 4])
})

test('goes on behind a batch of which compaction has left only some', () => {
  expect(readable([batch([4], { last: 9 })], 0, []).next).toBe(10)
})

test('goes on behind a batch of which compaction has left nothing', () => {
  expect(readable([batch([], { last: 9 })], 0, [])).toEqual({ records: [], next: 10 })
})

test('leaves out markers and what was aborted, and what another producer wrote between is read', () => {
  const inTransaction = { producerId: '1', inTransaction: true }
  const answer = [batch([0], inTransaction), batch([1]), abort(2, '1'), batch([3], inTransaction), commit(4, '1')]
  const { records, next } = readable(answer, 0, [{ producerId: '1', firstOffset: 0 }])
  expect([records.map(({ offset }) => offset), next]).toEqual([[1, 3], 5])
})
