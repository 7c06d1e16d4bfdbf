import type { SubscriptionState } from '../driver.ts'
import type { CorebusError } from '../errors.ts'
import type { GroupPlan } from '../handlers/plan.ts'
import type { Observer } from '../observe/observer.ts'
import { HEADER } from '../wire/headers.ts'
import type { Dispatched } from './dispatch.ts'
import type { Outcome } from './outcome.ts'
import type { Work } from './work.ts'

/** How the handling ended, before it is decided what follows from it. */
export function reportHandling(observer: Observer, group: string, work: Work, { verdict, event }: Dispatched, durationMs: number): void {
  const { message, attempt } = work
  if (verdict.kind === 'ok' && !work.lost && !observer.tellsHandling) {
    observer.countHandled()
    return
  }
  const told = { group, event, attempt, durationMs }
  if (work.lost) {
    observer.handled(message, { ...told, outcome: 'lost' })
    return
  }
  switch (verdict.kind) {
    case 'ok':
    case 'duplicate':
      observer.handled(message, { ...told, outcome: verdict.kind })
      break
    case 'skipped':
      observer.skipped(message, { ...told, why: verdict.why })
      break
    case 'elsewhere':
      break // what follows is told
    case 'unsettled':
      observer.handled(message, { ...told, outcome: verdict.why })
      break
    case 'failed':
    case 'hopeless':
    case 'later':
      observer.handled(message, { ...told, outcome: 'failed', error: verdict.error })
      break
  }
}

/** What follows from it. */
export function reportOutcome(
  observer: Observer,
  group: string,
  { message, attempt }: Work,
  outcome: Outcome,
  event: string | undefined,
): void {
  if (outcome.kind === 'ack' && !observer.tellsSettling) return
  const told = { group, event, attempt }
  switch (outcome.kind) {
    case 'ack':
      observer.acked(message, told)
      break
    case 'retry':
      observer.retried(message, { ...told, afterMs: outcome.afterMs, of: outcome.of, error: outcome.error })
      break
    case 'snooze':
      observer.snoozed(message, { ...told, afterMs: outcome.afterMs })
      break
    case 'passOn':
      observer.passedOn(message, { ...told, afterMs: outcome.afterMs })
      break
    case 'deadLetter':
      observer.deadLettered(message, { ...told, reason: outcome.reason, error: outcome.error })
      break
    case 'drop':
      observer.dropped(message, { ...told, reason: outcome.reason, error: outcome.error })
      break
  }
}

/** The broker refuses a copy for good: what is stored instead; without anything, that it cannot be settled. */
export function reportRefusal(observer: Observer, group: string, { message, attempt }: Work, less: Outcome | undefined, why: Error): void {
  const told = { group, attempt }
  if (!less) observer.unstorable(message, { ...told, error: why })
  else if (less.settlement.kind === 'deadLetter')
    observer.cut(message, { ...told, error: why, leftOut: less.settlement.headers[HEADER.leftOut] })
}

/** Settlements that failed, and may succeed when they are asked for again. */
export function reportTrouble(
  { logger }: Observer,
  group: string,
  { error, count, again }: { readonly error: Error; readonly count: number; readonly again: boolean },
): void {
  const then = again ? 'trying again' : 'their messages come again'
  logger.error({ group, err: error }, `${count} settlements of ${group} could not be stored, ${then}: ${error.message}`)
}

export function reportStop({ logger }: Observer, group: string, error: unknown): void {
  logger.warn({ group, err: error }, `${group} could not tell its broker to stop: closing the connection will`)
}

/** The group's hold on its broker. */
export function reportState(
  observer: Observer,
  { group, shared }: Pick<GroupPlan, 'group' | 'shared'>,
  before: string,
  state: SubscriptionState,
): void {
  if (state.kind === 'consuming') {
    if (state.notice) {
      if (shared && (state.notice as Partial<CorebusError>).code === 'GROUP_FOREIGN') return
      const { message } = state.notice
      observer.logger.warn({ group, err: state.notice }, message.startsWith(`group ${group} `) ? message : `${group}: ${message}`)
      return
    }
    observer.state('consuming', { group })
    if (before === 'reconnecting') observer.logger.info({ group }, `${group} is consuming again`)
    return
  }
  const { kind, error } = state
  observer.state(kind, { group, error })
  const lost = before === 'reconnecting' ? 'cannot come back yet, still trying' : 'lost its broker, coming back by itself'
  if (kind === 'reconnecting') observer.logger.warn({ group, err: error }, `${group} ${lost}: ${error.message}`)
  else observer.logger.error({ group, err: error }, `${group} stopped consuming and cannot go on: ${error.message}`)
}
