import { type Clock, monotonic, sleep } from '../clock.ts'
import { backOff } from './back-off.ts'

export interface InsistOptions {
  readonly clock: Clock
  /** Default: without an end. */
  readonly withinMs?: number
  /** Aborted when it is not wanted any more. */
  readonly signal?: AbortSignal
  /** How long to wait after the nth failure. */
  readonly waitMs?: (n: number) => number
  /** Whether trying again cannot help. Default: it always may. */
  readonly isFinal?: (thrown: unknown) => boolean
}

/**
 * Runs `work` again until it works, the time is over, it is not wanted any more, or trying again cannot help. A run that failed may have done its
 * work all the same: only for what can be done twice. @throws what the last run threw.
 */
export async function insist<T>(
  work: () => Promise<T>,
  { clock, withinMs = Number.POSITIVE_INFINITY, signal, waitMs = backOff(), isFinal = () => false }: InsistOptions,
): Promise<T> {
  const deadline = monotonic(clock) + withinMs
  for (let n = 1; ; n++) {
    try {
      return await work()
    } catch (thrown) {
      const leftMs = deadline - monotonic(clock)
      if (isFinal(thrown) || signal?.aborted || leftMs <= 0) throw thrown
      // The last try comes when the time is over.
      await sleep(clock, Math.min(waitMs(n), leftMs), signal)
      if (signal?.aborted) throw thrown
    }
  }
}
