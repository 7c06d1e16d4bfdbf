import type { Delay } from '../driver.ts'
import { CorebusError } from '../errors.ts'
import { checkOptions } from '../options/check.ts'
import { must, needed, type Option, optional } from '../options/option.ts'
import { type Backoff, MAX_RETRIES, type RetryIf, type RetryOptions } from './retry-options.ts'

export { type Backoff, MAX_RETRIES, type RetryIf, type RetryOptions } from './retry-options.ts'

/** A policy as data: what `outcome.ts` decides by. */
export interface RetryPolicy {
  readonly maxRetries: number
  /** Before retry 1, 2, ...; past the end the last repeats. */
  readonly delaysMs: readonly number[]
  /** Up to this share is added at random, so that what failed together does not come back together. */
  readonly jitter: number
  readonly retryIf?: RetryIf
}

/** Most distinct delays a group may declare: each is a place of its own on some brokers. */
export const MAX_DELAYS = 16

/** What another member of a group handles goes to it after this. */
export const PASS_ON_MS = 1_000
export const PASS_ON_JITTER = 0.5
/** `RetryLater` is never sooner than this, so a delay of at least this long is always declared. */
export const SHORTEST_SNOOZE_MS = 100

const MINUTE_MS = 60_000
const DEFAULT_DELAYS_MS = [1_000, 5_000, 15_000, MINUTE_MS, 2 * MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS, 10 * MINUTE_MS]
/** With `ordering: 'key'` a key waits in memory for its delay, so the sum stays below what a delivery may take. */
const ORDERED_DELAYS_MS = [1_000, 5_000, 15_000, MINUTE_MS]
const DEFAULT_JITTER = 0.2
const FIXED_DELAY_RETRIES = 3
const LONGEST_DELAY_MS = 30 * 24 * 60 * MINUTE_MS

/** Always `ms`. */
export const fixed =
  (ms: number): Backoff =>
  () =>
    ms

export interface LinearOptions {
  readonly stepMs: number
  readonly maxMs?: number
  readonly jitter?: number
}
const positive = needed('a number of milliseconds above 0', (value) => typeof value === 'number' && value > 0 && value < Infinity)
const LONGEST: Option = {
  default: '30 days',
  must: must('a number of milliseconds', (value) => typeof value === 'number' && value >= 0),
  text: 'no delay is longer',
}
const JITTER: Option = {
  default: '0',
  must: must('a number from 0 to 1', (value) => typeof value === 'number' && value >= 0 && value <= 1),
  text: 'up to this share is added at random',
}
export const LINEAR: Readonly<Record<keyof LinearOptions, Option>> = {
  stepMs: { default: 'needed', must: positive, text: 'the first delay, and how much longer each is than the one before' },
  maxMs: LONGEST,
  jitter: JITTER,
}

/** `stepMs`, 2 x `stepMs`, 3 x `stepMs`, ... up to `maxMs`. */
export function linear(options: LinearOptions): Backoff {
  checkOptions('linear', options, LINEAR)
  const { stepMs, maxMs = LONGEST_DELAY_MS, jitter = 0 } = options
  return Object.assign((n: number) => Math.min(stepMs * n, maxMs), { jitter })
}

export interface ExponentialOptions {
  readonly firstMs?: number
  readonly maxMs?: number
  readonly factor?: number
  readonly jitter?: number
}
export const EXPONENTIAL: Readonly<Record<keyof ExponentialOptions, Option>> = {
  firstMs: { default: '1,000', must: optional(positive), text: 'the first delay' },
  maxMs: LONGEST,
  factor: {
    default: '2',
    must: must('a number of at least 1', (value) => typeof value === 'number' && value >= 1),
    text: 'how many times as long each is as the one before',
  },
  jitter: JITTER,
}

/** `firstMs`, then `factor` times the one before, up to `maxMs`. `jitter` 0.2 adds up to 20 % at random. */
export function exponential(options: ExponentialOptions = {}): Backoff {
  checkOptions('exponential', options, EXPONENTIAL)
  const { firstMs = 1_000, maxMs = LONGEST_DELAY_MS, factor = 2, jitter = 0 } = options
  return Object.assign((n: number) => Math.min(firstMs * factor ** (n - 1), maxMs), { jitter })
}

/**
 * The policy of one handler. `levels` are the options from the nearest (handler) to the farthest (app).
 * @throws CorebusError RETRY_POLICY when a level contradicts itself or an option is out of range; `where` names the handler.
 */
export function retryPolicy(levels: readonly RetryOptions[], ordering: 'none' | 'key', where: string): RetryPolicy {
  const wrong = (what: string) => new CorebusError('RETRY_POLICY', `${where}: ${what}`)
  const delaying = levels.find((level) => level.retryDelayMs !== undefined || level.backoff !== undefined)
  if (delaying?.retryDelayMs !== undefined && delaying.backoff !== undefined)
    throw wrong('give retryDelayMs or backoff, not both: they replace each other')

  const defaults = ordering === 'key' ? ORDERED_DELAYS_MS : DEFAULT_DELAYS_MS
  const backoff = delaying?.backoff ?? (delaying?.retryDelayMs !== undefined ? fixed(delaying.retryDelayMs) : defaultBackoff(defaults))
  const maxRetries = nearest(levels, 'maxRetries') ?? (delaying?.retryDelayMs !== undefined ? FIXED_DELAY_RETRIES : defaults.length)
  if (!Number.isInteger(maxRetries) || maxRetries < 0 || maxRetries > MAX_RETRIES)
    throw wrong(`maxRetries must be a whole number from 0 to ${MAX_RETRIES}, not ${maxRetries}`)

  // retryIf may allow more than maxRetries: then the last delay repeats, so there must be one.
  const delaysMs = Array.from({ length: Math.max(maxRetries, 1) }, (_, i) => Math.round(backoff(i + 1)))
  const bad = delaysMs.findIndex((ms) => !(ms >= 0 && ms <= LONGEST_DELAY_MS))
  if (bad >= 0) throw wrong(`the delay before retry ${bad + 1} is ${delaysMs[bad]} ms: it must be from 0 to ${LONGEST_DELAY_MS} (30 days)`)
  const jitter = backoff.jitter ?? 0
  if (!(jitter >= 0 && jitter <= 1)) throw wrong(`jitter must be from 0 to 1, not ${jitter}`)
  const retryIf = nearest(levels, 'retryIf')
  return { maxRetries, delaysMs, jitter, ...(retryIf && { retryIf }) }
}

function defaultBackoff(delays: readonly number[]): Backoff {
  return Object.assign((n: number) => delays[Math.min(n, delays.length) - 1] as number, { jitter: DEFAULT_JITTER })
}

function nearest<K extends keyof RetryOptions>(levels: readonly RetryOptions[], option: K): RetryOptions[K] {
  return levels.find((level) => level[option] !== undefined)?.[option]
}

/** The delay before retry n, without its jitter. */
export function delayMs(policy: RetryPolicy, n: number): number {
  return policy.delaysMs[Math.min(n, policy.delaysMs.length) - 1] ?? 0
}

/** The distinct delays of several policies, shortest first. */
export function declaredDelays(policies: readonly RetryPolicy[]): readonly Delay[] {
  const byMs = new Map<number, number>()
  for (const { delaysMs, jitter } of policies) for (const ms of delaysMs) byMs.set(ms, Math.max(byMs.get(ms) ?? 0, jitter))
  return [...byMs].sort(([a], [b]) => a - b).map(([afterMs, jitter]) => ({ afterMs, jitter }))
}
