import { expect, test } from 'vitest'
import { asTable } from './letters.ts'
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
