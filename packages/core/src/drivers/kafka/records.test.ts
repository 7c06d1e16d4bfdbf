import { expect, test } from 'vitest'
import { type Decoded, readable } from './records.ts'

const batch = (firstOffset: number, lastOffsetDelta: number, producerId = '-1', inTransaction = false) => ({
  firstOffset: String(firstOffset),
  lastOffsetDelta,
  producerId,
  inTransaction,
})
const decoded = (offset: number, batchContext: Decoded['batchContext'], rest: Partial<Decoded> = {}): Decoded => ({
  offset: String(offset),
  timestamp: '7',
  key: null,
  value: Buffer.from('x'),
  headers: {},
  isControlRecord: false,
  ...(batchContext && { batchContext }),
  ...rest,
})
const abort = (offset: number, producerId: string) =>
  decoded(offset, batch(offset, 0, producerId, true), { isControlRecord: true, key: Buffer.from([0, 0, 0, 0]) })
const commit = (offset: number, producerId: string) =>
  decoded(offset, batch(offset, 0, producerId, true), { isControlRecord: true, key: Buffer.from([0, 0, 0, 1]) })

test('begins where it was asked, though brokers answer with whole batches', () => {
  const { records, next } = readable(
    [0, 1, 2, 3].map((offset) => decoded(offset, batch(0, 3))),
    2,
    [],
  )
  expect([records.map(({ offset }) => offset), next]).toEqual([[2, 3], 4])
})

test('goes on behind a batch of which compaction has left only some', () => {
  expect(readable([decoded(4, batch(0, 9))], 0, []).next).toBe(10)
})

test('leaves out markers and what was aborted, and what another producer wrote between is read', () => {
  const answer = [
    decoded(0, batch(0, 0, '1', true)),
    decoded(1, batch(1, 0)),
    abort(2, '1'),
    decoded(3, batch(3, 0, '1', true)),
    commit(4, '1'),
  ]
  const { records, next } = readable(answer, 0, [{ producerId: '1', firstOffset: '0' }])
  expect([records.map(({ offset }) => offset), next]).toEqual([[1, 3], 5])
})
