import type { Observer } from '../observe.ts'
import type { Dispatched } from './dispatch.ts'
import type { Outcome } from './outcome.ts'
import type { Work } from './work.ts'

/** How the handling ended, before it is decided what follows from it. */
export function reportHandling(observer: Observer, group: string, work: Work, { verdict, event }: Dispatched, durationMs: number): void {
  const { message, attempt } = work
  const told = { group, event, attempt, durationMs }
  if (work.lost) return observer.handled(message, { ...told, outcome: 'lost' })
  switch (verdict.kind) {
    case 'ok':
    case 'duplicate':
      return observer.handled(message, { ...told, outcome: verdict.kind })
    case 'skipped':
      return observer.skipped(message, { group, event, why: verdict.why })
    case 'unsettled':
      return observer.handled(message, { ...told, outcome: verdict.why })
    case 'failed':
    case 'hopeless':
    case 'later':
      return observer.handled(message, { ...told, outcome: 'failed', error: verdict.error })
  }
}

/** What follows from it. */
export function reportOutcome(observer: Observer, group: string, { message, attempt }: Work, outcome: Outcome, event: string | undefined): void {
  const told = { group, event, attempt }
  switch (outcome.kind) {
    case 'ack':
      return observer.acked(message, told)
    case 'retry':
      return observer.retried(message, { ...told, afterMs: outcome.afterMs, of: outcome.of, error: outcome.error })
    case 'snooze':
      return observer.snoozed(message, { ...told, afterMs: outcome.afterMs })
    case 'deadLetter':
      return observer.deadLettered(message, { ...told, reason: outcome.reason, error: outcome.error })
    case 'drop':
      return observer.dropped(message, { ...told, reason: outcome.reason, error: outcome.error })
  }
}
