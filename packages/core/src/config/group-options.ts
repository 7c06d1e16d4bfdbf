import { flag, milliseconds, type Option, oneOf, whole } from '../options/option.ts'
import { FROM, type From, type Start } from './source-options.ts'

/** Options of a whole group. Handlers that share a group may each give them, if they agree. */
export interface GroupOptions {
  /** Handlers at once, in this process. Default 10. */
  readonly concurrency?: number
  /** Most messages handed out and unsettled, per topic. Default 1,000. */
  readonly maxUnsettled?: number
  /** 'none' (default): a failed message leaves the line and comes back later. 'key': it keeps its key waiting. */
  readonly ordering?: 'none' | 'key'
  /** Where a new group begins (default 'earliest'), or what of others its messages come from: `{ queue: 'shop.billing' }`. */
  readonly from?: From
  /** An event name nobody in the group handles: 'skip' (counted, said once; default) or 'deadLetter' (default on a queue of others, which has the only copy). */
  readonly unknown?: 'skip' | 'deadLetter'
  /** Then the signal aborts, the session rolls back and the message is retried. Default 60,000. Never infinite. */
  readonly handlerTimeoutMs?: number
  /** Members of other services, and clients that are not ours, may be in the group. Default false: GROUP_SHARED. */
  readonly shared?: boolean
}

/** What is left of them for the whole group: a source belongs to a topic. */
export interface GroupSaid extends Omit<GroupOptions, 'from'> {
  readonly from?: Start
}

/** The same at the app, for every group that says nothing else. */
export const CONCURRENCY: Option['must'] = whole(1, 10_000)
export const MAX_UNSETTLED: Option['must'] = whole(1, 1_000_000)
export const HANDLER_TIMEOUT: Option['must'] = milliseconds(1)

export const GROUP: Readonly<Record<keyof GroupOptions, Option>> = {
  concurrency: { default: "the app's", must: CONCURRENCY, text: 'handlers at once, in this process' },
  maxUnsettled: { default: "the app's", must: MAX_UNSETTLED, text: 'most messages handed out and unsettled, per topic' },
  handlerTimeoutMs: { default: "the app's", must: HANDLER_TIMEOUT, text: 'then the signal aborts' },
  ordering: {
    default: "`'none'`",
    must: oneOf('none', 'key'),
    text: "`'none'`: a failed message leaves the line and comes back later. `'key'`: it keeps its key waiting",
  },
  from: FROM,
  unknown: {
    default: "`'skip'`; with `from: { queue }` `'deadLetter'`",
    must: oneOf('skip', 'deadLetter'),
    text: "an event nobody in the group handles: `'skip'` (acknowledged, counted, said once) or `'deadLetter'`. What is skipped in a queue of others is gone for them too, so with `from: { queue }` and `deadLetter: false` a group of event handlers has to say which",
  },
  shared: {
    default: '`false`',
    must: flag,
    text: '`true`: members of other services, and clients that are not ours, may be in the group. Otherwise a service that finds another one there does not start (`GROUP_SHARED`)',
  },
}

/** The options that a class and a function take beside those of their group. */
export const AUTO_START: Option = { default: '`true`', must: flag, text: '`false`: runs only where its topic or group is named' }
