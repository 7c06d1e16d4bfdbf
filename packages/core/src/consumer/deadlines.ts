import { CorebusError } from '../errors.ts'
import type { Work } from './work.ts'

export interface Deadlines {
  readonly handlerTimeoutMs: number
  readonly abortGraceMs: number
}

/** Aborts what has run too long, once; returns what ran on through the grace after that: it cannot be stopped any more. */
export function checkDeadlines(running: Iterable<Work>, now: number, { handlerTimeoutMs, abortGraceMs }: Deadlines): readonly Work[] {
  const stuck: Work[] = []
  for (const work of running) {
    const ranMs = now - (work.runningSince ?? now)
    if (!work.timedOut && ranMs >= handlerTimeoutMs) {
      work.timedOut = true
      work.abort(new CorebusError('HANDLER_TIMEOUT', `the handler has run for ${handlerTimeoutMs} ms (handlerTimeoutMs)`))
    }
    if (work.timedOut && !work.stuck && ranMs >= handlerTimeoutMs + abortGraceMs) {
      work.stuck = true
      stuck.push(work)
    }
  }
  return stuck
}
