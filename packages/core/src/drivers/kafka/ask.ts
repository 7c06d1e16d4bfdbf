import type { Clock } from '../../clock.ts'
import { CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import { insist } from '../insist.ts'
import { type Failure, failureOf, forbidden, isForbidden, isPermanent, isUnknownTopic, wordsOf } from './failure.ts'

export interface AskOptions {
  readonly clock: Clock
  readonly timeoutMs: number
}

/** Asks again what a lost connection, a new leader or a topic that was only just made has spoilt. @throws what stays, or cannot change. */
export async function askUntilAnswered<T>(ask: () => Promise<T>, { clock, timeoutMs }: AskOptions): Promise<T> {
  try {
    return await insist(ask, {
      clock,
      withinMs: timeoutMs,
      waitMs: backOff({ firstMs: 50, maxMs: 500 }),
      isFinal: (thrown) => isFinal(failureOf(thrown)),
    })
  } catch (thrown) {
    // One of ours says in words what the broker says in its cause.
    if (thrown instanceof CorebusError) throw thrown
    const failure = failureOf(thrown)
    if (isForbidden(failure)) throw forbidden('something', failure)
    throw failure.type === '' && !isFinal(failure) ? unanswered(failure, timeoutMs) : failure.error
  }
}

/** Codes of our own errors that are there again, whatever the broker answers. */
const FINAL: ReadonlySet<unknown> = new Set(['CLOSED', 'CURSOR'])

function isFinal(failure: Failure): boolean {
  return isPermanent(failure) || isUnknownTopic(failure) || ('code' in failure.error && FINAL.has(failure.error.code))
}

function unanswered({ error }: Failure, timeoutMs: number): Error {
  return new CorebusError('CONNECTION_LOST', `Kafka did not answer within ${timeoutMs} ms: ${wordsOf(error)}`, { cause: error })
}
