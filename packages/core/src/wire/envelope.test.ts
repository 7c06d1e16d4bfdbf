import { expect, test } from 'vitest'
import { decodeJson, wrongIn } from './envelope.ts'

test('a byte order mark before JSON is ignored (RFC 8259), and one alone is an empty body', () => {
  expect(decodeJson(Buffer.from('\ufeff{"a":"\ufeff"}'))).toEqual({ a: '\ufeff' })
  expect(() => decodeJson(Buffer.from('\ufeff'))).toThrow('the body is empty')
})

test.each([
  ['secret', `Unexpected token 's' is not valid JSON`],
  ['"secret" secret', 'Unexpected non-whitespace character after JSON at position 9 (line 1 column 10)'],
  [`{"secret": 4111, 'a'}`, `Expected double-quoted property name in JSON at position 17 (line 1 column 18)`],
  [`{"card": '4111', "secret": 1}`, `Unexpected token ''' is not valid JSON`],
  [`[${'"secret",'.repeat(50)},${'"secret",'.repeat(50)}]`, `Unexpected token ',' is not valid JSON`],
  ['"secret', 'Unterminated string in JSON at position 7 (line 1 column 8)'],
  ['{"a":\n"secret" \u2028}', `Expected ',' or '}' after property value in JSON at position 15 (line 2 column 10)`],
  ['{"a": 😀secret}', /^Unexpected token '.{1,2}' is not valid JSON$/u],
])('what is wrong with %j is said without the text of the body, which stays out of logs', (body, words) => {
  const error = errorOf(() => decodeJson(Buffer.from(body)))
  expect(error).toBeInstanceOf(SyntaxError)
  expect(error.message).toMatch(words)
  expect(`${error.message} ${error.stack}`).not.toContain('secret')
})

function errorOf(work: () => unknown): Error {
  try {
    work()
  } catch (thrown) {
    return thrown as Error
  }
  throw new Error('nothing was thrown')
}

test.each([
  [{ timestamp: '2026-02-01T12:00:00.000Z', source: 's' }, undefined],
  [{ timestamp: '2026-02-01T12:00:00.000Z' }, 'it has no source'],
  [{ timestamp: 7, source: null }, 'its timestamp is no text but 7, and its source is no text but null'],
])('%j', (fields, wrong) => {
  expect(wrongIn(fields as never)).toBe(wrong)
})
