import { expect, test } from 'vitest'
import { decodeJson, wrongIn } from './envelope.ts'

test('a byte order mark before JSON is ignored (RFC 8259), and one alone is an empty body', () => {
  expect(decodeJson(Buffer.from('\ufeff{"a":"\ufeff"}'))).toEqual({ a: '\ufeff' })
  expect(() => decodeJson(Buffer.from('\ufeff'))).toThrow('the body is empty')
})

test.each([
  [{ timestamp: '2026-02-01T12:00:00.000Z', source: 's' }, undefined],
  [{ timestamp: '2026-02-01T12:00:00.000Z' }, 'it has no source'],
  [{ timestamp: 7, source: null }, 'its timestamp is no text but 7, and its source is no text but null'],
])('%j', (fields, wrong) => {
  expect(wrongIn(fields as never)).toBe(wrong)
})
