import { expect, test } from 'vitest'
import { asJson, asTable } from './letters.ts'
import { table } from './table.ts'

const columns = [
  { title: 'TOPIC', shrinks: true },
  { title: 'GROUP', shrinks: true },
  { title: 'DEAD', align: 'right' },
] as const
const long = 'payments.process.of-the-whole-company'

test('columns are as wide as their widest cell, numbers to the right', () => {
  expect(
    table(
      columns,
      [
        ['orders', 'g', '1,000'],
        ['t', 'inventory', '2'],
      ],
      80,
    ),
  ).toBe(['TOPIC   GROUP       DEAD', 'orders  g          1,000', 't       inventory      2'].join('\n'))
})

test('what is too wide for the terminal is cut in the widest column first, and never in a number', () => {
  const lines = table(columns, [[long, 'inventory', '123,456,789']], 40).split('\n')
  expect(lines[1]).toBe('payments.proces…  inventory  123,456,789')
  expect(lines.every((line) => line.length <= 40)).toBe(true)
})

test('dead letters keep their whole id at 80 columns, and the error has a line of its own', () => {
  const id = '01983f6e-7c1a-7f3e-9d5c-0f4b8a6e2d11'
  const headers = { 'corebus-reason': 'failed', 'corebus-error': `declined ${'x'.repeat(200)}\nsecond line`, 'corebus-attempt': '9' }
  const letter = {
    message: { id, topic: long, headers, body: new TextEncoder().encode('{') },
    group: 'billing-of-everything',
    place: 'p',
    at: 0,
  }
  const [, first = '', second = ''] = asTable([letter], 3 * 3_600_000, 80).split('\n')
  expect(first).toMatch(new RegExp(`^${id}  payments.+…  billing.+  failed +3 h$`))
  expect(second).toMatch(/^ {4}declined x+…$/)
  expect(Math.max(first.length, second.length)).toBeLessThanOrEqual(80)
})

test('what a letter says is shown and does nothing: no cursor moves, no row is forged', () => {
  const hostile = 'a\u001b[2J\u001b]52;c;aGk=\u0007\r\nforged  row\u009b31m\u202e'
  const headers = { 'corebus-reason': hostile, 'corebus-error': hostile, 'corebus-attempt': 'NaN' }
  const letter = { message: { id: hostile, topic: hostile, headers, body: new Uint8Array() }, group: hostile, place: 'p', at: Number.NaN }
  const text = asTable([letter], 0, 400)
  expect(text.split('\n')).toHaveLength(3)
  expect(text).not.toMatch(/[^\n\x20-\x7e…]/)
  expect(text).toContain('a\\x1b[2J\\x1b]52;c;aGk=\\x07\\r\\nforged  row\\x9b31m\\u202e')
})

test('a letter that is nested too deep, or says nonsense of itself, is a letter', () => {
  const body = new TextEncoder().encode(`${'['.repeat(20_000)}${']'.repeat(20_000)}`)
  const headers = { 'corebus-attempt': '-3' }
  const json = asJson({ message: { id: 'i', topic: 't', headers, body }, group: 'g', place: 'p', at: 9e99 })
  expect(JSON.parse(JSON.stringify(json))).toMatchObject({ attempts: 1, at: '1970-01-01T00:00:00.000Z' })
})
