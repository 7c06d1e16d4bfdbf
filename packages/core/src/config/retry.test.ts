import { describe, expect, test } from 'vitest'
import { collector, deadLetters, onMemory } from '../../test/kit.ts'
import { CorebusError } from '../errors.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { declaredDelays, delayMs, exponential, fixed, linear, type RetryOptions, retryPolicy } from './retry.ts'

const S = 1_000
const MIN = 60 * S
const DEFAULTS = [1 * S, 5 * S, 15 * S, 1 * MIN, 2 * MIN, 5 * MIN, 10 * MIN, 10 * MIN]
const always = () => true

describe('a policy, nearest level first', () => {
  const cases: [what: string, levels: RetryOptions[], maxRetries: number, delaysMs: number[], jitter: number][] = [
    ['nothing said: the defaults', [{}, {}], 8, DEFAULTS, 0.2],
    ['maxRetries alone takes that many of the default delays', [{ maxRetries: 3 }], 3, DEFAULTS.slice(0, 3), 0.2],
    ['more retries than default delays repeat the last', [{ maxRetries: 10 }], 10, [...DEFAULTS, 10 * MIN, 10 * MIN], 0.2],
    ['retryDelayMs alone is fixed, 3 retries', [{ retryDelayMs: 5 * S }], 3, [5 * S, 5 * S, 5 * S], 0],
    ['retryDelayMs with maxRetries', [{ retryDelayMs: 5 * S, maxRetries: 1 }], 1, [5 * S], 0],
    ['the handler’s maxRetries with the app’s delay', [{ maxRetries: 2 }, {}, { retryDelayMs: 7 }], 2, [7, 7], 0],
    ['the class before the app', [{}, { maxRetries: 1 }, { maxRetries: 5 }], 1, DEFAULTS.slice(0, 1), 0.2],
    [
      'a nearer backoff replaces a retryDelayMs',
      [{ backoff: linear({ stepMs: 10 }), maxRetries: 3 }, { retryDelayMs: 5 * S }],
      3,
      [10, 20, 30],
      0,
    ],
    ['a nearer retryDelayMs replaces a backoff', [{ retryDelayMs: 5 }, { backoff: exponential(), maxRetries: 2 }], 2, [5, 5], 0],
    ['backoff alone: 8 retries', [{ backoff: fixed(9) }], 8, [9, 9, 9, 9, 9, 9, 9, 9], 0],
    ['a function of n, asked from 1', [{ backoff: (n) => n * n, maxRetries: 4 }], 4, [1, 4, 9, 16], 0],
    ['linear up to its maximum', [{ backoff: linear({ stepMs: 10, maxMs: 25 }), maxRetries: 3 }], 3, [10, 20, 25], 0],
    [
      'exponential up to its maximum, with jitter',
      [{ backoff: exponential({ firstMs: 1, factor: 3, maxMs: 8, jitter: 0.5 }), maxRetries: 3 }],
      3,
      [1, 3, 8],
      0.5,
    ],
    ['no retries, and a delay for what retryIf may allow', [{ maxRetries: 0 }], 0, [1 * S], 0.2],
  ]
  test.each(cases)('%s', (_, levels, maxRetries, delaysMs, jitter) => {
    expect(retryPolicy(levels, 'none', 'x')).toEqual({ maxRetries, delaysMs, jitter })
  })

  test('with ordering by key the default delays are shorter', () => {
    expect(retryPolicy([{}], 'key', 'x')).toEqual({ maxRetries: 4, delaysMs: [1 * S, 5 * S, 15 * S, 1 * MIN], jitter: 0.2 })
  })

  test('retryIf comes from the nearest level that has one', () => {
    const never = () => false
    expect(retryPolicy([{}, { retryIf: never }, { retryIf: always }], 'none', 'x').retryIf).toBe(never)
  })

  test.each<[string, RetryOptions, RegExp]>([
    ['two delays on one level', { retryDelayMs: 1, backoff: fixed(1) }, /retryDelayMs or backoff, not both/],
    ['a negative maxRetries', { maxRetries: -1 }, /maxRetries must be a whole number from 0 to 1000, not -1/],
    ['half a retry', { maxRetries: 1.5 }, /maxRetries/],
    ['endless retries', { maxRetries: Number.POSITIVE_INFINITY }, /maxRetries/],
    ['a delay that is no number', { backoff: () => Number.NaN }, /the delay before retry 1 is NaN ms/],
    [
      'a delay of more than 30 days',
      { backoff: exponential({ firstMs: 20 * 24 * 60 * MIN, factor: 2, maxMs: Number.POSITIVE_INFINITY }) },
      /before retry 2/,
    ],
    ['a negative delay', { retryDelayMs: -1 }, /before retry 1 is -1 ms/],
    ['jitter above one', { backoff: Object.assign(() => 1, { jitter: 2 }) }, /jitter must be from 0 to 1/],
  ])('refuses %s, and names the handler', (_, options, message) => {
    expect(() => retryPolicy([options], 'none', 'Orders.welcome')).toThrow(CorebusError)
    expect(() => retryPolicy([options], 'none', 'Orders.welcome')).toThrow(message)
    expect(() => retryPolicy([options], 'none', 'Orders.welcome')).toThrow(/^Orders\.welcome: /)
  })
})

test('past its end a policy repeats the last delay', () => {
  expect([1, 2, 3, 9].map((n) => delayMs({ maxRetries: 2, delaysMs: [1, 2], jitter: 0 }, n))).toEqual([1, 2, 2, 2])
})

test('declared delays are distinct, shortest first, with the largest jitter asked for', () => {
  const policies = [
    { maxRetries: 2, delaysMs: [5, 1], jitter: 0 },
    { maxRetries: 2, delaysMs: [1, 3], jitter: 0.2 },
  ]
  expect(declaredDelays(policies)).toEqual([
    { afterMs: 1, jitter: 0.2 },
    { afterMs: 3, jitter: 0.2 },
    { afterMs: 5, jitter: 0 },
  ])
})

describe('the schedules of the specification, end to end', () => {
  const schedules: [string, RetryOptions, number[]][] = [
    ['2, 4, 8 s then dead letter', { maxRetries: 3, backoff: exponential({ firstMs: 2 * S }) }, [2, 4, 8]],
    ['1, 2, 4, 8, 16 s then dead letter', { maxRetries: 5, backoff: exponential({ firstMs: 1 * S, maxMs: 16 * S }) }, [1, 2, 4, 8, 16]],
    ['5, 5, 5 s then dead letter', { maxRetries: 3, retryDelayMs: 5 * S }, [5, 5, 5]],
  ]
  test.each(schedules)('%s', async (_, retry, seconds) => {
    const clock = new VirtualClock()
    const { logger, lines } = collector('info')
    const messaging = onMemory({ clock, logger })
    const calls: [at: number, attempt: number][] = []
    messaging.handle({ topic: 'payments', group: 'g', ...retry }, (_message, { attempt }) => {
      calls.push([clock.now(), attempt])
      throw new Error('no')
    })
    await messaging.start()
    const start = clock.now()
    await messaging.getProducer().send('payments', { amount: 1 })
    await clock.advance(60 * S)

    const due = seconds.reduce((sum, s) => sum + s, 0)
    const expected = [0, ...seconds].map((_, i) => [seconds.slice(0, i).reduce((sum, s) => sum + s, 0), i + 1])
    expect(calls.map(([at, attempt]) => [(at - start) / S, attempt])).toEqual(expected)
    const [letter, ...others] = await deadLetters(messaging)
    expect(others).toEqual([])
    expect((letter?.at ?? 0) - start).toBe(due * S)
    expect(letter?.message.headers).toMatchObject({
      'corebus-attempt': String(seconds.length + 1),
      'corebus-reason': 'failed',
      'corebus-error': 'no',
    })
    const retries = lines.map((line) => line.msg).filter((msg) => msg.startsWith('retry '))
    expect(retries.map((msg) => msg.split(':')[0])).toEqual(seconds.map((s, i) => `retry ${i + 1}/${seconds.length} in ${s * S} ms`))
  })
})

test.each<[run: () => unknown, words: string]>([
  [() => exponential({ jitter: 2 }), 'exponential: jitter must be a number from 0 to 1, not 2'],
  [() => exponential({ firstMS: 5 } as never), 'exponential: firstMS is not an option. Did you mean firstMs?'],
  [() => exponential({ factor: 0.5 }), 'exponential: factor must be a number of at least 1, not 0.5'],
  [() => linear({} as never), 'linear: stepMs must be a number of milliseconds above 0'],
])('a back-off with a wrong option is an error where it is made: %s', (run, words) => {
  expect(run).toThrow(expect.objectContaining({ code: 'OPTION', message: words }))
})
