import { delayMs, MAX_RETRIES, PASS_ON_MS, type RetryPolicy, SHORTEST_SNOOZE_MS } from '../config/retry.ts'
import type { Delay, Delivery, Message, Settlement } from '../driver.ts'
import { withCauses } from '../errors.ts'
import { redactText } from '../options/redact.ts'
import { inFrameAsLoaded } from '../process/frame.ts'
import { HEADER } from '../wire/headers.ts'

/** How the handling of one delivery ended. */
export type Verdict =
  | { readonly kind: 'ok' }
  /** Handled before: the inbox knows it. */
  | { readonly kind: 'duplicate' }
  /** Nobody in the group handles it. */
  | { readonly kind: 'skipped'; readonly why: string }
  | { readonly kind: 'failed'; readonly error: Error }
  /** Trying again cannot help. `reason` goes with the dead letter. */
  | { readonly kind: 'hopeless'; readonly error: Error; readonly reason: Reason }
  /** `RetryLater`. */
  | { readonly kind: 'later'; readonly afterMs: number; readonly error: Error }
  /** Another member of the group handles it. */
  | { readonly kind: 'elsewhere'; readonly error: Error }
  /** No longer ours, or handed back at a shutdown: nothing is settled. */
  | { readonly kind: 'unsettled'; readonly why: 'lost' | 'handed back' }

export type Settleable = Exclude<Verdict, { kind: 'unsettled' }>

export type Reason =
  | 'failed'
  | 'rejected'
  | 'not-json'
  | 'not-an-event'
  | 'schema'
  | 'unknown-event'
  | 'crash'
  | 'unstorable'
  /** A handler's `decode`, or the `in` of its topic, failed. */
  | 'decode'
  | 'envelope'

/** What is done with it. `drop`: a dead letter in a group that keeps none. */
export type Outcome =
  | { readonly kind: 'ack'; readonly settlement: Settlement }
  | { readonly kind: 'retry'; readonly settlement: Settlement; readonly afterMs: number; readonly of: number; readonly error: Error }
  | { readonly kind: 'snooze'; readonly settlement: Settlement; readonly afterMs: number }
  /** For another member of the group. */
  | { readonly kind: 'passOn'; readonly settlement: Settlement; readonly afterMs: number; readonly since: number }
  | { readonly kind: 'deadLetter' | 'drop'; readonly settlement: Settlement; readonly reason: Reason; readonly error: Error }

export interface OutcomePolicy {
  readonly retry: RetryPolicy
  /** The group's declared delays: a snooze takes one of them. */
  readonly delays: readonly Delay[]
  readonly keepsDeadLetters: boolean
  readonly group: string
}

/** What this delivery has behind it: `attempt` is the call that gave the verdict, `snoozes` how often it was asked to come later. */
export interface Counts {
  readonly attempt: number
  readonly snoozes: number
  /** Since when members pass it on, ms since the epoch. */
  readonly passedSince?: number | undefined
}

export interface Chance {
  readonly now: number
  /** From 0 up to 1. */
  readonly random: number
}

/** A handler that only ever snoozes fails in the end, or its message would go round for ever. */
export const MAX_SNOOZES = 1_000

/** Then nobody has taken it, whatever the others say they handle. */
const PASSED_ON_FOR_MS = 600_000

const MAX_ERROR_BYTES = 8 * 1024
const MAX_RETRY_ERROR_BYTES = 512
const MAX_CODE_BYTES = 200
const MAX_STACK_BYTES = 32 * 1024

const FIRST: Counts = { attempt: 1, snoozes: 0 }

/** As the headers of a copy say; an original has had no call. */
export function countsOf({ original, message: { headers } }: Pick<Delivery, 'original' | 'message'>): Counts {
  if (original) return FIRST
  const attempt = Number(headers[HEADER.attempt] ?? 1)
  const snoozes = Number(headers[HEADER.snoozes] ?? 0)
  const passedSince = Number(headers[HEADER.passedSince] || Number.NaN)
  return {
    attempt: Number.isSafeInteger(attempt) && attempt > 0 ? attempt : 1,
    snoozes: Number.isSafeInteger(snoozes) && snoozes > 0 ? snoozes : 0,
    ...(Number.isSafeInteger(passedSince) && { passedSince }),
  }
}

/** The one place that decides what follows a verdict. */
export function outcomeOf(
  delivery: Delivery,
  { attempt, snoozes, passedSince }: Counts,
  verdict: Settleable,
  policy: OutcomePolicy,
  chance: Chance,
): Outcome {
  switch (verdict.kind) {
    case 'ok':
    case 'duplicate':
    case 'skipped':
      return { kind: 'ack', settlement: { kind: 'ack', delivery } }
    case 'hopeless':
      return buried(delivery, attempt, verdict.error, verdict.reason, policy, chance)
    case 'later':
      return snoozed(delivery, { attempt, snoozes: snoozes + 1 }, verdict, policy, chance)
    case 'elsewhere':
      return passedOn(delivery, { attempt, passedSince }, verdict.error, policy, chance)
    case 'failed':
      return failed(delivery, { attempt, snoozes }, verdict.error, policy, chance)
  }
}

function failed(delivery: Delivery, { attempt, snoozes }: Counts, error: Error, policy: OutcomePolicy, chance: Chance): Outcome {
  const { retry } = policy
  const most = mostRetries(retry, error, attempt)
  if (attempt > most) return buried(delivery, attempt, error, 'failed', policy, chance)
  const afterMs = Math.round(delayMs(retry, attempt) * (1 + retry.jitter * chance.random))
  const headers = {
    [HEADER.attempt]: String(attempt + 1),
    [HEADER.failedAt]: new Date(chance.now).toISOString(),
    [HEADER.error]: cut(withCauses(error), MAX_RETRY_ERROR_BYTES),
    // The header of a copy is believed, so one that its author wrote into the original must not stay there.
    ...(Object.hasOwn(delivery.message.headers, HEADER.snoozes) && { [HEADER.snoozes]: String(snoozes) }),
    ...taken(delivery),
  }
  return { kind: 'retry', settlement: { kind: 'retry', delivery, headers, afterMs }, afterMs, of: most, error }
}

/** A `retryIf` that throws or answers no number decides nothing: a mistake in it must not cost the message. */
function mostRetries({ retryIf, maxRetries }: RetryPolicy, error: Error, attempt: number): number {
  if (!retryIf) return maxRetries
  let answer: boolean | number
  try {
    answer = inFrameAsLoaded(retryIf, error, attempt)
  } catch {
    return maxRetries
  }
  if (typeof answer === 'number') return Number.isNaN(answer) ? maxRetries : Math.min(answer, MAX_RETRIES)
  return answer ? maxRetries : 0
}

function snoozed(
  delivery: Delivery,
  { attempt, snoozes }: Counts,
  verdict: { afterMs: number; error: Error },
  policy: OutcomePolicy,
  chance: Chance,
): Outcome {
  if (snoozes > MAX_SNOOZES)
    return failed(
      delivery,
      { attempt, snoozes },
      new Error(`asked to be called later more than ${MAX_SNOOZES} times`, { cause: verdict.error }),
      policy,
      chance,
    )
  const asked = Math.max(Number.isFinite(verdict.afterMs) ? verdict.afterMs : 0, SHORTEST_SNOOZE_MS)
  const { afterMs } = delayFrom(policy.delays, asked)
  const headers = { [HEADER.snoozes]: String(snoozes), [HEADER.attempt]: String(attempt), ...taken(delivery) }
  return { kind: 'snooze', settlement: { kind: 'retry', delivery, headers, afterMs }, afterMs }
}

/**
 * For another member, without an attempt spent. In the end there is none that takes it. The time is never quite the same: where members take turns,
 * two messages that come together would each go to the wrong one again and again.
 */
function passedOn(
  delivery: Delivery,
  { attempt, passedSince }: Pick<Counts, 'attempt' | 'passedSince'>,
  error: Error,
  policy: OutcomePolicy,
  { now, random }: Chance,
): Outcome {
  const since = passedSince ?? now
  if (now - since > PASSED_ON_FOR_MS) return buried(delivery, attempt, error, 'unknown-event', policy, { now, random })
  const { afterMs: shortest, jitter } = delayFrom(policy.delays, PASS_ON_MS)
  const afterMs = Math.round(shortest * (1 + jitter * random))
  const headers = { [HEADER.passedSince]: String(since) }
  return { kind: 'passOn', settlement: { kind: 'retry', delivery, headers, afterMs, elsewhere: true }, afterMs, since }
}

/** The next declared delay, or the longest. */
function delayFrom(delays: readonly Delay[], askedMs: number): Delay {
  return (
    delays.find(({ afterMs }) => afterMs >= askedMs) ??
    delays.reduce((longest, delay) => (delay.afterMs > longest.afterMs ? delay : longest), { afterMs: SHORTEST_SNOOZE_MS, jitter: 0 })
  )
}

/** A handler has taken it: nobody passes it on any more. The header of a copy is believed, so it must not stay there. */
function taken({ message }: Delivery): Message['headers'] {
  return Object.hasOwn(message.headers, HEADER.passedSince) ? { [HEADER.passedSince]: '' } : {}
}

function buried(delivery: Delivery, attempt: number, error: Error, reason: Reason, policy: OutcomePolicy, { now }: Chance): Outcome {
  if (!policy.keepsDeadLetters) return { kind: 'drop', settlement: { kind: 'ack', delivery }, reason, error }
  const settlement = burial(delivery, { attempt, error, reason, group: policy.group, now })
  return { kind: 'deadLetter', settlement, reason, error }
}

export interface Burial {
  readonly attempt: number
  readonly error: Error
  readonly reason: Reason
  readonly group: string
  readonly now: number
}

/** What a dead letter says of its end, whoever gave up on it. */
export function burial(delivery: Delivery, { attempt, error, reason, group, now }: Burial): Settlement {
  const headers = {
    [HEADER.attempt]: String(attempt),
    [HEADER.failedAt]: new Date(now).toISOString(),
    [HEADER.error]: cut(withCauses(error), MAX_ERROR_BYTES),
    ...codeHeader(error, delivery),
    [HEADER.errorStack]: cut(error.stack ?? '', MAX_STACK_BYTES),
    [HEADER.reason]: reason,
    [HEADER.topic]: delivery.message.topic,
    [HEADER.group]: group,
    ...taken(delivery),
  }
  return { kind: 'deadLetter', delivery, headers }
}

/** Empty where the error of an earlier death had a code and this one has none: headers of a copy are laid over, never taken off. */
function codeHeader(error: Error, { message }: Delivery): Message['headers'] {
  const code: unknown = 'code' in error ? error.code : undefined
  if (typeof code === 'string' || typeof code === 'number') return { [HEADER.errorCode]: cut(code, MAX_CODE_BYTES) }
  return Object.hasOwn(message.headers, HEADER.errorCode) ? { [HEADER.errorCode]: '' } : {}
}

/** At most so many bytes of UTF-8, without half a character at the end and without what looks like a secret. */
function cut(said: unknown, maxBytes: number): string {
  const text = redactText(String(said).slice(0, 2 * maxBytes)).toWellFormed()
  if (Buffer.byteLength(text) <= maxBytes) return text
  const bytes = Buffer.from(text.slice(0, maxBytes))
  let end = Math.min(maxBytes - 3, bytes.length)
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return `${bytes.subarray(0, end).toString('utf8')}…`
}
