import { CONCURRENCY } from '../config/group-options.ts'
import type { Selection } from '../handlers/select.ts'
import { callable, isText, must, type Option } from '../options/option.ts'

export interface StartOptions extends Selection {
  /** Handlers at once per group, instead of what groups and app say. */
  readonly concurrency?: number
  /** A handler cannot be stopped any more (past its time-out and grace), and everything else has finished: end the process. */
  readonly onStuck?: (what: string) => void
}

const names = must('an array of strings', (value) => Array.isArray(value) && value.every(isText))

export const START: Readonly<Record<keyof StartOptions, Option>> = {
  topics: { default: 'all with `autoStart`', must: names, text: 'only these; then also those with `autoStart: false`' },
  groups: { default: 'all with `autoStart`', must: names, text: 'the same for groups' },
  concurrency: { default: "the app's and the groups'", must: CONCURRENCY, text: 'handlers at once per group, instead of theirs' },
  onStuck: {
    default: 'none',
    must: callable,
    text: 'a handler can no longer be stopped and everything else has finished: end the process',
  },
}
