import { milliseconds, type Option, whole } from '../options/option.ts'
import { CONCURRENCY, HANDLER_TIMEOUT, MAX_UNSETTLED } from './group-options.ts'

/** The options of an app that are numbers. */
export interface Limits {
  /** Handlers at once per group. Default 10. */
  readonly concurrency?: number
  /** Most messages handed out and unsettled per topic. Default 1,000. */
  readonly maxUnsettled?: number
  /** Default 60,000. Never infinite. */
  readonly handlerTimeoutMs?: number
  /** How long a timed-out or stopped handler may still run after its signal. Default 10,000. */
  readonly abortGraceMs?: number
  /** How long `close` waits for running handlers. Default 25,000. */
  readonly shutdownMs?: number
  /** A group that holds messages and has settled none for so long is not ready. Default 300,000. */
  readonly stalledMs?: number
  /** Times a message may crash its process before it goes to the dead letters. Default 5. */
  readonly crashLimit?: number
  /** Largest message: body, key and headers. Default 900,000. */
  readonly maxBytes?: number
}

const MOST_BYTES = 128 * 1024 * 1024

/** How each of these numbers is declared. Its default is the number that holds, and the one that the reference page shows. */
export const LIMITS: Readonly<Record<keyof Limits, Option & { readonly default: number }>> = {
  concurrency: { default: 10, must: CONCURRENCY, text: 'handlers at once in one group and process, 1 to 10,000' },
  maxUnsettled: {
    default: 1_000,
    must: MAX_UNSETTLED,
    text: 'most messages of a topic handed to this process and not settled, 1 to 1,000,000',
  },
  handlerTimeoutMs: { default: 60_000, must: HANDLER_TIMEOUT, text: "then the handler's signal aborts. Above 0, at most 24 h" },
  abortGraceMs: {
    default: 10_000,
    must: milliseconds(0),
    text: 'how long a handler may run on after that, before the process counts as stuck',
  },
  shutdownMs: { default: 25_000, must: milliseconds(0), text: 'how long `close` waits for running handlers' },
  stalledMs: {
    default: 300_000,
    must: milliseconds(1),
    text: 'how long a group may hold messages and settle none before `health().ready` is false, and `npx corebus outbox relay` may do nothing about rows that are due before it ends with 70',
  },
  crashLimit: {
    default: 5,
    must: whole(1, 1_000),
    text: 'hand-outs without a settlement before a message goes to the dead letters, 1 to 1,000',
  },
  maxBytes: {
    default: 900_000,
    must: whole(1, MOST_BYTES),
    text: 'the largest message: body, key and headers. A larger one is refused with `TOO_LARGE`',
  },
}

/** All of these numbers: those that were given, and the defaults of the others. */
export function limitsOf(given: Limits): Required<Limits> {
  const names = Object.keys(LIMITS) as (keyof Limits)[]
  return Object.fromEntries(names.map((name) => [name, given[name] ?? LIMITS[name].default])) as unknown as Required<Limits>
}
