import type { CorebusError } from '../../src/errors.ts'
import { HANDLER_TIMEOUT_MS } from './setting.ts'

/** One message as the broker has it: a second one of the same id is another copy. */
export interface Copy {
  readonly n: number
  readonly id: string
  readonly key: string | undefined
  state: 'waiting' | 'acknowledged' | 'dead'
  /** Retries that are stored. */
  retries: number
  /** It is in the hands of a member for the so-manieth time. */
  handOut: number
  holder: string | undefined
  /** Hand-outs since it was stored last whose end nobody knows. */
  unsettled: number
  readonly runs: Run[]
  /** Ended before the handler was called, in so many calls of this hand-out: they waited for a transaction or the inbox, perhaps for too long. */
  uncalled: number
}

/** One call of the handler. */
export interface Run {
  readonly n: number
  readonly copy: Copy
  readonly handOut: number
  readonly signal: AbortSignal
  readonly beganAt: number
  /** How the handler ended: what it did by itself, or what it had been told by then. */
  end: End | undefined
  worked: boolean
  committed: boolean
  /** Its session has ended, or there was none. */
  over: boolean
}

/** `handed back`: stopped by the shutdown. `perhaps late`: so too, but it ran on for as long as a time-out. */
export type End = 'worked' | 'failed' | 'rejected' | 'later' | 'late' | 'lost' | 'handed back' | 'perhaps late'

/** Returns what its signal has told a handler by now. */
export function told({ signal, beganAt }: Run, now: number): End | undefined {
  switch (codeOf(signal)) {
    case 'HANDLER_TIMEOUT':
      return 'late'
    case 'LOST':
      return 'lost'
    case 'SHUTDOWN':
      return now - beganAt >= HANDLER_TIMEOUT_MS ? 'perhaps late' : 'handed back'
    default:
      return undefined
  }
}

/** A call that counts: it threw by itself, or ended after its time. */
export function hasFailed({ end, committed, over }: Run): boolean {
  return over && !committed && (end === 'failed' || end === 'late')
}

export const mayHaveWorked = ({ end, worked }: Run): boolean => worked && (end === 'worked' || end === 'perhaps late')

const codeOf = ({ aborted, reason }: AbortSignal): string | undefined => (aborted ? (reason as CorebusError).code : undefined)
