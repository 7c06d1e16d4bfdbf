import { expect, test } from 'vitest'
import { topicsTable } from './commands/topics/table.ts'
import { asJson, asTable, LetterTable } from './letters.ts'
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

const row = { topic: 'orders', group: 'billing', ready: 1, inFlight: 2, delayed: 3, dead: 4, oldestMs: 90_000, members: 5 }

test('a table of topics fits 80 columns: what nobody says goes first, then what members say', () => {
  const told = { told: 1, perSecond: 1.5, failedPercent: 2, busyPercent: 3 }
  const titles = (rows: Parameters<typeof topicsTable>[0], width: number) => topicsTable(rows, width).split('\n')[0]?.split(/ {2,}/)
  const all = ['TOPIC', 'GROUP', 'READY', 'IN FLIGHT', 'DELAYED', 'DEAD', 'OLDEST', 'MEMBERS', 'MSG/S', 'FAILED', 'BUSY']
  expect(titles([{ ...row, ...told }], 200)).toEqual(all)
  expect(titles([{ ...row, ...told }], 80)).toEqual(all.slice(0, -1))
  expect(titles([row], 80)).toEqual(all.slice(0, -1))
  expect(titles([row], 70)).toEqual(all.slice(0, 8))
  for (const line of topicsTable([{ ...row, ...told, topic: long, group: long }], 80).split('\n'))
    expect(line.length).toBeLessThanOrEqual(80)
  expect(topicsTable([row], 80).split('\n')[1]).toMatch(/^orders +billing +1 +2 +3 +4 +90 s +5/)
})

test('what waits together for several groups or topics has a line below, once', () => {
  const { delayed: _, ...untold } = row
  const delays = [5_000, 5_350, 60_000].map((afterMs) => ({ afterMs, waiting: 1_000 }))
  const shared = [
    { ...untold, delayedTogether: delays },
    { ...untold, group: 'other', delayedTogether: delays },
  ]
  expect(topicsTable(shared, 200).split('\n').slice(3)).toEqual(['waiting for a retry, all groups together: 5 s 2,000, 60 s 1,000'])
  const ofGroup = [{ afterMs: 100, waiting: 2, group: 'billing' }]
  expect(topicsTable([{ ...untold, delayedTogether: ofGroup }], 200).split('\n')[2]).toBe(
    'waiting for a retry, all topics of billing: 100 ms 2',
  )
})

test('pages of letters are one table, with the columns of the first page; where nothing is cut a longer cell is whole', () => {
  const letter = (id: string, topic: string) => ({
    message: { id, topic, headers: {}, body: new Uint8Array() },
    group: 'g',
    place: 'p',
    at: 0,
  })
  const piped = new LetterTable(0, Number.POSITIVE_INFINITY)
  const first = piped.page([letter('id-1', 'payments')])
  const second = piped.page([letter('id-2', 't'), letter('id-3', 'payments-of-last-year')])
  expect([first, second].flatMap((page) => page.split('\n')).filter((line) => !line.startsWith('    '))).toEqual([
    'ID    TOPIC     GROUP  REASON  AGE',
    'id-1  payments  g      -       0 s',
    'id-2  t         g      -       0 s',
    'id-3  payments-of-last-year  g      -       0 s',
  ])
})
