import type { LetterTarget } from '../driver.ts'
import { callable, milliseconds, must, type Option, objectOr, text, whole } from '../options/option.ts'
import { LETTERS_TO } from './letter-target-options.ts'

/** Milliseconds before the next call, for n = 1 after the first failure. Asked once per n at start, so that every delay is known then. */
export type Backoff = ((n: number) => number) & { readonly jitter?: number }

/** After failure n = 1, 2, ...: retry (within `maxRetries`), never, or the most retries for this error. */
export type RetryIf = (error: Error, n: number) => boolean | number

export interface DeadLetterOptions {
  readonly ttlMs?: number
  readonly name?: string
  readonly to?: never
}

/** Something of others that they go to: `{ exchange, routingKey? }` of RabbitMQ, `{ stream }` of Redis, `{ topic }` of Kafka. */
export interface DeadLetterTo {
  readonly to: LetterTarget
  readonly ttlMs?: never
  readonly name?: never
}

/** Accepted by `@onEvent`, `@messageHandler`, `@consumer`, `on`, `handle` and the app: option by option, the nearest wins. */
export interface RetryOptions {
  /** Calls after the first: 3 means 4 calls. Default 8; 3 when `retryDelayMs` is given alone. */
  readonly maxRetries?: number
  /** The same delay before every retry. Replaces `backoff`. */
  readonly retryDelayMs?: number
  /** `exponential(...)`, `linear(...)`, `fixed(...)` or a function of n. Replaces `retryDelayMs`. */
  readonly backoff?: Backoff
  /** Default: every error is retried. */
  readonly retryIf?: RetryIf
  /** Default true: kept until purged. `false`: logged and dropped. One per (group, topic). */
  readonly deadLetter?: boolean | DeadLetterOptions | DeadLetterTo
}

/** Also for what `retryIf` answers. */
export const MAX_RETRIES = 1_000

const DEAD_LETTER = {
  ttlMs: {
    default: 'for ever',
    must: must('a number of milliseconds above 0', (value) => typeof value === 'number' && value > 0 && value < Infinity),
    text: 'how long a dead letter is kept',
  },
  name: { default: '`{topic}.{group}.dlq`', must: text, text: 'the name of the place; `{topic}`, `{group}` and `{service}` are put in' },
  to: LETTERS_TO,
} satisfies Record<keyof DeadLetterOptions, Option>

/** A place of others is called and kept as its owner says. */
function toAlone({ to, ttlMs, name }: Record<string, unknown>): string | undefined {
  if (to === undefined || (ttlMs === undefined && name === undefined)) return undefined
  return 'must be { to } alone: a place of others is called, and kept so long, as its owner says. Leave ttlMs and name out'
}

export const RETRY: Readonly<Record<keyof RetryOptions, Option>> = {
  maxRetries: {
    default: "8; 3 with `retryDelayMs` alone; 4 with `ordering: 'key'`",
    must: whole(0, MAX_RETRIES),
    text: 'calls after the first, 0 to 1,000',
  },
  retryDelayMs: {
    default: '',
    must: milliseconds(0),
    text: 'the same delay before every retry. Replaces `backoff`; both at once is an error (`RETRY_POLICY`)',
  },
  backoff: {
    default: "1, 5, 15 s, 1, 2, 5, 10, 10 min; with `ordering: 'key'` 1, 5, 15, 60 s; each up to 20 % later",
    must: callable,
    text: '`fixed(ms)`, `linear({ stepMs, maxMs, jitter })`, `exponential({ firstMs, maxMs, factor, jitter })`, or a function from n to milliseconds',
  },
  retryIf: { default: 'every error', must: callable, text: '`(error, n) => true`, `false`, or the most retries for this error' },
  deadLetter: {
    default: '`true`',
    must: objectOr(DEAD_LETTER, (value) => typeof value === 'boolean', 'true, false, { ttlMs, name } or { to }', toAlone),
    text: '`true`: kept until purged. `{ ttlMs, name }`: kept so long, in a place of that name. `{ to }`: published to something of others, whose they are then. `false`: logged and dropped. One per group and topic',
    inside: DEAD_LETTER,
  },
}
