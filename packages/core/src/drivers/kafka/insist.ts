import { type Clock, monotonic, sleep } from '../../clock.ts'
import { CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import { type Failure, failureOf, isPermanent, isUnknownTopic, wordsOf } from './failure.ts'

export interface InsistOptions {
  readonly clock: Clock
  readonly timeoutMs: number
}

/** Asks again what a lost connection, a new leader or a topic that was only just made has spoilt. @throws what stays, or cannot change. */
export async function insist<T>(ask: () => Promise<T>, { clock, timeoutMs }: InsistOptions): Promise<T> {
  const deadline = monotonic(clock) + timeoutMs
  const waitMs = backOff({ firstMs: 50, maxMs: 500 })
  for (let n = 1; ; n++) {
    try {
      return await ask()
    } catch (thrown) {
      const failure = failureOf(thrown)
      const final = isPermanent(failure) || isUnknownTopic(failure) || ('code' in failure.error && failure.error.code === 'CLOSED')
      if (!final && failure.type === '' && monotonic(clock) > deadline) throw unanswered(failure, timeoutMs)
      if (final || monotonic(clock) > deadline) throw failure.error
      await sleep(clock, waitMs(n))
    }
  }
}

function unanswered({ error }: Failure, timeoutMs: number): Error {
  if (error instanceof CorebusError) return error
  return new CorebusError('CONNECTION_LOST', `Kafka did not answer within ${timeoutMs} ms: ${wordsOf(error)}`, { cause: error })
}
