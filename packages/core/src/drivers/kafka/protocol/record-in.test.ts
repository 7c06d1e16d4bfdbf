import { expect, test } from 'vitest'
import { recordIn } from '../fixtures/records.ts'
import { OURS, toMessage } from '../wire.ts'
import { encodeBatch } from './record-batch.ts'
import { RecordBytes } from './record-in.ts'
import type { RecordOut } from './records.ts'

const RECORDS_AT = 61
const place = { topic: 't', partition: 3, offset: 7, at: 0 }

test('what is read of it is the same whichever is asked for first, and again', () => {
  const record = recordIn(7, {
    key: Buffer.from('k'),
    value: Buffer.from('v'),
    headers: { a: '1', b: [Buffer.from('2'), Buffer.from('3')] },
  })
  const { headers } = record
  expect([String(record.value), String(record.key), record.text().headers, record.headers]).toEqual(['v', 'k', { a: '1', b: '3' }, headers])
  expect(headers).toEqual({ a: Buffer.from('1'), b: [Buffer.from('2'), Buffer.from('3')] })
})

test('records of one batch keep their own headers, where names and values are the same and where they are not', () => {
  const all: readonly Record<string, string>[] = [
    { type: 'json', id: 'aa' },
    { type: 'json', id: 'ab' },
    { type: 'text', id: 'aa' },
    { kind: 'json', id: '' },
    {},
    { type: 'json' },
  ]
  const out = all.map((headers): RecordOut => ({ key: null, value: null, headers }))
  const source = new RecordBytes(encodeBatch(out, 0).subarray(RECORDS_AT))
  const records = all.map(() => source.record(0, 0, false))
  expect(records.map((record) => record.text().headers)).toEqual(all)
  expect(records.toReversed().map((record) => record.text().headers)).toEqual(all.toReversed())
})

test('a handler sees the headers of others, and not those of this driver', () => {
  const headers = { [OURS.id]: 'm1', [OURS.delay]: '5', 'corebus-attempt': '2', theirs: 'x' }
  expect(toMessage(recordIn(7, { key: Buffer.alloc(0), headers }), place, false)).toMatchObject({
    id: 'm1',
    topic: 't',
    key: '',
    headers: { 'corebus-attempt': '2', theirs: 'x' },
  })
})

test('a copy says where its original lies, and a letter has the key of its message', () => {
  const origin = JSON.stringify({ topic: 'first', partition: 1, offset: 2, at: 3 })
  const letter = { [OURS.origin]: origin, [OURS.dead]: '{}', [OURS.key]: 'own', [OURS.tombstone]: 'true' }
  expect(toMessage(recordIn(7, { key: Buffer.from('of the letter'), headers: letter }), place, true)).toMatchObject({
    id: 'kafka:first/1/2',
    topic: 'first',
    key: 'own',
    tombstone: true,
  })
  const keyless = toMessage(recordIn(7, { key: Buffer.from('of the letter'), headers: { [OURS.dead]: '{}' } }), place, true)
  expect('key' in keyless).toBe(false)
})
