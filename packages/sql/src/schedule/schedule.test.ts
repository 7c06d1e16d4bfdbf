import { defineEvent } from '@corebus/core'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineSchedule, nextAfter } from './schedule.ts'

const run = () => undefined
const MonthEnded = defineEvent('month.ended', z.object({ month: z.number() }))

/** The times of a schedule after a moment. */
function times(cron: string, timeZone: string, after: string, most: number): string[] {
  const all: string[] = []
  for (let at = Date.parse(after); all.length < most; ) {
    at = nextAfter({ name: 'a', cron, timeZone }, at)
    all.push(new Date(at).toISOString())
  }
  return all
}

test('a time that the change to summer time leaves out is run once, when the gap is over', () => {
  // In New York 02:00 to 03:00 is left out on 2026-03-08.
  expect(times('30 2 * * *', 'America/New_York', '2026-03-07T00:00:00Z', 3)).toEqual([
    '2026-03-07T07:30:00.000Z',
    '2026-03-08T07:00:00.000Z',
    '2026-03-09T06:30:00.000Z',
  ])
})

test('a time that the change from summer time has twice is run once', () => {
  // In New York 01:00 to 02:00 comes twice on 2026-11-01.
  expect(times('30 1 * * *', 'America/New_York', '2026-10-31T00:00:00Z', 3)).toEqual([
    '2026-10-31T05:30:00.000Z',
    '2026-11-01T05:30:00.000Z',
    '2026-11-02T06:30:00.000Z',
  ])
})

test('what runs every half hour is run every half hour, whatever the clocks do', () => {
  const all = times('*/30 * * * *', 'America/New_York', '2026-11-01T04:45:00Z', 5).map((time) => Date.parse(time))
  expect(all.slice(1).map((time, n) => time - (all[n] ?? 0))).toEqual([1, 1, 1, 1].map((n) => n * 1_800_000))
})

test('without a time zone it is UTC, whatever that of the process', () => {
  expect(defineSchedule('a', '0 3 * * *', run).timeZone).toBe('UTC')
  expect(times('0 3 * * *', 'UTC', '2026-03-08T00:00:00Z', 1)).toEqual(['2026-03-08T03:00:00.000Z'])
  expect(times('30 0 3 * * *', 'Europe/Berlin', '2026-12-01T00:00:00Z', 1)).toEqual(['2026-12-01T02:00:30.000Z'])
})

test('what is wrong with a schedule is said where it is made', () => {
  const code = (code: string, text: string) => expect.objectContaining({ code, message: expect.stringContaining(text) })
  expect(() => defineSchedule('a', '0 3 * *', run)).toThrow(code('SCHEDULE', 'schedule a has a cron expression that is wrong'))
  expect(() => defineSchedule('a', '2100-01-01T00:00:00', run)).toThrow(code('SCHEDULE', 'one time instead of a cron expression'))
  expect(() => defineSchedule('a', '0 99 * * *', run)).toThrow(code('SCHEDULE', 'wrong'))
  expect(() => defineSchedule('a', '0 0 30 2 *', run)).toThrow(code('SCHEDULE', 'no time is to come'))
  expect(() => defineSchedule('a b', '0 3 * * *', run)).toThrow(code('NAME', 'a schedule has the name "a b"'))
  expect(() => defineSchedule('a', '0 3 * * *', run, { timeZone: 'Berlin' })).toThrow(code('OPTION', "such as 'Europe/Berlin'"))
  expect(() => defineSchedule('a', '0 3 * * *', run, { timezone: 'UTC' } as never)).toThrow(code('OPTION', 'Did you mean timeZone'))
  expect(() => defineSchedule('a', '0 3 * * *', undefined as never)).toThrow(code('SCHEDULE', 'nothing to run'))
  expect(() => defineSchedule('a', '0 3 * * *', MonthEnded, {} as never)).toThrow(code('SCHEDULE', 'without data'))
  expect(() => defineSchedule('a', '0 3 * * *', run, { data: 1 } as never)).toThrow(code('SCHEDULE', 'data is for an event'))
})
