import type { Clock } from '../../clock.ts'
import { CorebusError } from '../../errors.ts'
import { insist } from '../insist.ts'
import { closed } from './connection.ts'
import { refusalOf } from './failure.ts'

export interface RedoOptions {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Begins anew what a lost connection has interrupted, until it works or the time is over. It may have been done before: only for what can be
 * done twice. (A queue that another client is just declaring is an example: RabbitMQ 3.10 lets it be consumed too early, and ends the
 * connection with 541 INTERNAL_ERROR.)
 * @throws what the broker refuses, at once; CLOSED when the driver is closed meanwhile.
 */
export async function redo<T>(work: () => Promise<T>, { clock, timeoutMs, signal }: RedoOptions): Promise<T> {
  try {
    return await insist(work, { clock, withinMs: timeoutMs, signal, isFinal })
  } catch (thrown) {
    throw refusalOf(thrown)?.error ?? (signal.aborted && !isFinal(thrown) ? closed() : thrown)
  }
}

function isFinal(thrown: unknown): boolean {
  return refusalOf(thrown) !== undefined || (thrown instanceof CorebusError && thrown.code !== 'CONNECTION_LOST')
}
