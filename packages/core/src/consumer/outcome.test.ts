import { describe, expect, test } from 'vitest'
import type { RetryPolicy } from '../config/retry.ts'
import type { Delivery } from '../driver.ts'
import { Reject, RetryLater } from '../errors.ts'
import { type Counts, countsOf, MAX_SNOOZES, type Outcome, type OutcomePolicy, outcomeOf, type Settleable } from './outcome.ts'

const NOW = Date.UTC(2026, 1, 1, 12)
const error = new Error('no')

function delivery(headers: Record<string, string> = {}): Delivery {
  return { message: { id: '1', topic: 't', headers, body: new Uint8Array() }, unsettledBefore: 0, receipt: undefined }
}

interface Given {
  readonly counts?: Partial<Counts>
  readonly retry?: Partial<RetryPolicy>
  readonly policy?: Partial<OutcomePolicy>
  readonly random?: number
}

function decide(verdict: Settleable, { counts, retry, policy, random = 0 }: Given = {}): Outcome {
  const whole: OutcomePolicy = {
    retry: { maxRetries: 3, delaysMs: [10, 200, 3_000], jitter: 0, ...retry },
    delays: [10, 200, 3_000].map((afterMs) => ({ afterMs, jitter: 0 })),
    keepsDeadLetters: true,
    group: 'g',
    ...policy,
  }
  return outcomeOf(delivery(), { attempt: 1, snoozes: 0, ...counts }, verdict, whole, { now: NOW, random })
}

const brief = (outcome: Outcome): unknown[] => {
  const { settlement } = outcome
  if (outcome.kind === 'retry')
    return ['retry', outcome.afterMs, `of ${outcome.of}`, settlement.kind === 'retry' && settlement.headers['corebus-attempt']]
  if (outcome.kind === 'snooze') return ['snooze', outcome.afterMs, settlement.kind === 'retry' && settlement.headers['corebus-attempt']]
  if (outcome.kind === 'ack') return ['ack', settlement.kind]
  if (outcome.kind === 'passOn')
    return ['passOn', outcome.afterMs, settlement.kind === 'retry' && [settlement.elsewhere, settlement.headers]]
  return [outcome.kind, outcome.reason, settlement.kind]
}

const failed: Settleable = { kind: 'failed', error }
const later = (afterMs: number): Settleable => ({ kind: 'later', afterMs, error: new RetryLater(afterMs) })
const hopeless: Settleable = { kind: 'hopeless', reason: 'rejected', error: new Reject('never') }

describe('what follows a verdict', () => {
  test.each([
    ['a retry', { kind: 'failed', error } as Settleable],
    ['a snooze', { kind: 'later', afterMs: 1, error } as Settleable],
    ['a dead letter', { kind: 'hopeless', reason: 'rejected', error } as Settleable],
  ])('%s of what was passed on says that it is not passed on any more', (_, verdict) => {
    const policy = { retry: { maxRetries: 1, delaysMs: [10], jitter: 0 }, delays: [], keepsDeadLetters: true, group: 'g' }
    const passed = delivery({ 'corebus-passed-since': '5' })
    const { settlement } = outcomeOf(passed, countsOf(passed), verdict, policy, { now: NOW, random: 0 })
    expect(settlement).toMatchObject({ headers: { 'corebus-passed-since': '' } })
  })

  test('what another member handles goes to it, without an attempt, for ten minutes at most', () => {
    const elsewhere: Settleable = { kind: 'elsewhere', error: new Error('nobody took it') }
    const headers = (since: number) => ({ 'corebus-passed-since': String(since) })
    expect(brief(decide(elsewhere))).toEqual(['passOn', 3_000, [true, headers(NOW)]])
    expect(brief(decide(elsewhere, { counts: { attempt: 3, snoozes: 900, passedSince: NOW - 599_000 } }))).toEqual([
      ...['passOn', 3_000],
      [true, headers(NOW - 599_000)],
    ])
    expect(brief(decide(elsewhere, { counts: { passedSince: NOW - 601_000 } }))).toEqual(['deadLetter', 'unknown-event', 'deadLetter'])
    const policy = { delays: [{ afterMs: 1_000, jitter: 0.5 }] }
    expect(brief(decide(elsewhere, { policy, random: 0.5 }))).toEqual(['passOn', 1_250, [true, headers(NOW)]])
  })

  test.each<[string, Settleable, Given, unknown[]]>([
    ['ok', { kind: 'ok' }, {}, ['ack', 'ack']],
    ['a duplicate', { kind: 'duplicate' }, {}, ['ack', 'ack']],
    ['skipped', { kind: 'skipped', why: '' }, {}, ['ack', 'ack']],
    ['the first failure', failed, {}, ['retry', 10, 'of 3', '2']],
    ['the last retry', failed, { counts: { attempt: 3 } }, ['retry', 3_000, 'of 3', '4']],
    ['one failure more', failed, { counts: { attempt: 4 } }, ['deadLetter', 'failed', 'deadLetter']],
    ['no retries', failed, { retry: { maxRetries: 0 } }, ['deadLetter', 'failed', 'deadLetter']],
    [
      'a failure where no dead letters are kept',
      failed,
      { counts: { attempt: 4 }, policy: { keepsDeadLetters: false } },
      ['drop', 'failed', 'ack'],
    ],
    ['jitter is added, never taken off', failed, { retry: { jitter: 0.2 }, random: 0.5 }, ['retry', 11, 'of 3', '2']],
    ['hopeless', hopeless, {}, ['deadLetter', 'rejected', 'deadLetter']],
    ['hopeless where no dead letters are kept', hopeless, { policy: { keepsDeadLetters: false } }, ['drop', 'rejected', 'ack']],
    ['retryIf says never', failed, { retry: { retryIf: () => false } }, ['deadLetter', 'failed', 'deadLetter']],
    ['retryIf says yes', failed, { retry: { retryIf: () => true } }, ['retry', 10, 'of 3', '2']],
    [
      'retryIf says yes, past maxRetries',
      failed,
      { retry: { retryIf: () => true }, counts: { attempt: 4 } },
      ['deadLetter', 'failed', 'deadLetter'],
    ],
    [
      'retryIf allows more than maxRetries: the last delay again',
      failed,
      { retry: { retryIf: () => 5 }, counts: { attempt: 5 } },
      ['retry', 3_000, 'of 5', '6'],
    ],
    ['retryIf allows fewer', failed, { retry: { retryIf: () => 1 }, counts: { attempt: 2 } }, ['deadLetter', 'failed', 'deadLetter']],
    [
      'retryIf allows without end',
      failed,
      { retry: { retryIf: () => Number.POSITIVE_INFINITY }, counts: { attempt: 1_001 } },
      ['deadLetter', 'failed', 'deadLetter'],
    ],
    [
      'retryIf answers no number',
      failed,
      { retry: { retryIf: () => Number.NaN }, counts: { attempt: 4 } },
      ['deadLetter', 'failed', 'deadLetter'],
    ],
    [
      'retryIf throws: as if there were none',
      failed,
      {
        retry: {
          retryIf: () => {
            throw new Error('mistake')
          },
        },
      },
      ['retry', 10, 'of 3', '2'],
    ],
    ['later: the next declared delay, no attempt spent', later(150), { counts: { attempt: 2 } }, ['snooze', 200, '2']],
    ['later, exactly a declared delay', later(200), {}, ['snooze', 200, '1']],
    ['later than the longest: the longest', later(60_000), {}, ['snooze', 3_000, '1']],
    ['later, at once: never under 100 ms', later(0), {}, ['snooze', 200, '1']],
    ['later, with nonsense', later(Number.NaN), {}, ['snooze', 200, '1']],
    ['the last snooze', later(200), { counts: { snoozes: MAX_SNOOZES - 1 } }, ['snooze', 200, '1']],
    ['one snooze more counts as a failure', later(200), { counts: { snoozes: MAX_SNOOZES } }, ['retry', 10, 'of 3', '2']],
  ])('%s', (_, verdict, given, expected) => {
    expect(brief(decide(verdict, given))).toEqual(expected)
  })
})

test('retryIf gets the error and the number of the failure', () => {
  const asked: unknown[] = []
  const retryIf = (...args: unknown[]) => asked.push(args) > 0
  decide(failed, { retry: { retryIf }, counts: { attempt: 2 } })
  expect(asked).toEqual([[error, 2]])
})

test('a retry tells the next attempt when and why the last one failed', () => {
  expect(decide({ kind: 'failed', error: new Error('x'.repeat(10_000)) }).settlement).toEqual({
    kind: 'retry',
    delivery: delivery(),
    afterMs: 10,
    headers: {
      'corebus-attempt': '2',
      'corebus-failed-at': '2026-02-01T12:00:00.000Z',
      'corebus-error': expect.stringMatching(/^x{500,511}…$/),
    },
  })
})

test('a snooze is counted on the message', () => {
  expect(decide(later(200), { counts: { attempt: 2, snoozes: 6 } }).settlement).toMatchObject({
    headers: { 'corebus-snoozes': '7', 'corebus-attempt': '2' },
  })
})

test('a dead letter carries attempts, time, error, reason and origin', () => {
  const { settlement } = decide(failed, { counts: { attempt: 4 } })
  expect(settlement).toMatchObject({
    headers: {
      'corebus-attempt': '4',
      'corebus-failed-at': '2026-02-01T12:00:00.000Z',
      'corebus-error': 'no',
      'corebus-error-stack': expect.stringContaining('outcome.test.ts'),
      'corebus-reason': 'failed',
      'corebus-topic': 't',
      'corebus-group': 'g',
    },
  })
})

test('an error of any size leaves headers of less than 64 KiB, in whole characters', () => {
  const huge = new Error('ü€😀'.repeat(100_000))
  const { settlement } = decide({ kind: 'failed', error: huge }, { counts: { attempt: 4 } })
  const headers = settlement.kind === 'deadLetter' ? settlement.headers : {}
  const bytes = Object.entries(headers).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0)
  expect(bytes).toBeGreaterThan(32 * 1024)
  expect(bytes).toBeLessThan(64 * 1024)
  expect(JSON.stringify(headers)).not.toContain('\uFFFD')
})

test('an error whose message and stack are no strings is a dead letter like any other', () => {
  const strange = Object.assign(new Error(), { message: { code: 1 }, stack: undefined }) as unknown as Error
  expect(brief(decide({ kind: 'failed', error: strange }, { counts: { attempt: 4 } }))).toEqual(['deadLetter', 'failed', 'deadLetter'])
})

test.each([
  [{}, 1, 0],
  [{ 'corebus-attempt': '3', 'corebus-snoozes': '2' }, 3, 2],
  [{ 'corebus-attempt': '0', 'corebus-snoozes': '-1' }, 1, 0],
  [{ 'corebus-attempt': 'x', 'corebus-snoozes': '1.5' }, 1, 0],
] as [Record<string, string>, number, number][])('headers %j count %d attempts and %d snoozes', (headers, attempt, snoozes) => {
  expect(countsOf(delivery(headers))).toEqual({ attempt, snoozes })
  expect(countsOf({ ...delivery(headers), original: true })).toEqual({ attempt: 1, snoozes: 0 })
})
