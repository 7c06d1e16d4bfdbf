import { type Clock, monotonic, sleep } from '../../clock.ts'
import { CorebusError } from '../../errors.ts'
import { backOff } from '../back-off.ts'
import { refusalOf } from './failure.ts'

export interface InsistOptions {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Begins anew what a lost connection has interrupted, until it works or the time is over. It may have been done before: only for what can be
 * done twice. (A queue that another client is just declaring is an example: RabbitMQ 3.10 lets it be consumed too early, and ends the
 * connection with 541 INTERNAL_ERROR.)
 * @throws what the broker refuses, at once.
 */
export async function insist<T>(work: () => Promise<T>, { clock, timeoutMs, signal }: InsistOptions): Promise<T> {
  const deadline = monotonic(clock) + timeoutMs
  const waitMs = backOff()
  for (let n = 1; ; n++) {
    try {
      return await work()
    } catch (thrown) {
      const refusal = refusalOf(thrown)
      if (refusal) throw refusal.error
      const lost = !(thrown instanceof CorebusError) || thrown.code === 'CONNECTION_LOST'
      if (!lost || signal.aborted || monotonic(clock) > deadline) throw thrown
      await sleep(clock, waitMs(n), signal)
    }
  }
}
