import { asError, CorebusError, Reject, RetryLater } from '../errors.ts'
import { Forbidden } from '../scope/forbidden.ts'
import type { Call } from './context.ts'
import type { Verdict } from './outcome.ts'

/** What an error of a handler means for its message. `inSession`: what the handler did there was rolled back. */
export function verdictOf(thrown: unknown, call: Call, inSession: boolean): Verdict {
  if (call.forbidden() === 'lost') return { kind: 'unsettled', why: 'lost' }
  if (call.forbidden() === 'timed out') return { kind: 'failed', error: timedOut(thrown, call, inSession) }
  // Stopped by the signal at the end of the shutdown budget: no fault of the message.
  if (call.aborted) return { kind: 'unsettled', why: 'handed back' }
  const error = asError(thrown)
  // The error is known by its name as well: the handler's copy of the SDK may be another one.
  if (error instanceof Reject || error.name === 'Reject') return { kind: 'hopeless', reason: 'rejected', error }
  return comesLater(error) ?? { kind: 'failed', error }
}

/** `RetryLater`, of whichever copy of the SDK. */
export function comesLater(error: Error): Extract<Verdict, { kind: 'later' }> | undefined {
  if (!(error instanceof RetryLater || error.name === 'RetryLater')) return undefined
  return { kind: 'later', afterMs: msOf(error), error }
}

function timedOut(thrown: unknown, { blockedMs, waiting }: Call, inSession: boolean): CorebusError {
  if (waiting)
    return new CorebusError(
      'HANDLER_TIMEOUT',
      'the handler has not begun: it waited for its session for longer than handlerTimeoutMs, and no other handler of its group got one. Has the pool of the database as many connections as handlers run at once?',
      { cause: thrown },
    )
  const blocked =
    blockedMs === 0 ? '' : `: it kept the event loop from turning for ${Math.round(blockedMs)} ms, and nothing else ran in this process`
  const undone = inSession ? '; what it did in its session was rolled back' : ''
  return new CorebusError('HANDLER_TIMEOUT', `${new Forbidden('timed out').message}${blocked}${undone}`, { cause: thrown })
}

function msOf(error: Error): number {
  try {
    const { ms } = error as Partial<RetryLater>
    return typeof ms === 'number' ? ms : Number.NaN
  } catch {
    return Number.NaN
  }
}
