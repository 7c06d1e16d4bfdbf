import { type Clock, monotonic, sleep } from '../../clock.ts'
import { backOff } from '../back-off.ts'
import type { Address } from './address.ts'
import { closed, failureOf, isHopeless, unreachable } from './failure.ts'
import type { Client } from './protocol/client.ts'

export interface ConnectOptions {
  readonly address: Address
  readonly clock: Clock
  readonly timeoutMs: number
  readonly closing: AbortSignal
}

/** Opens all of them, trying again until the time is over. @throws CorebusError CONNECT, CLOSED */
export async function connectAll(clients: readonly Client[], { address, clock, timeoutMs, closing }: ConnectOptions): Promise<void> {
  const deadline = monotonic(clock) + timeoutMs
  const waitMs = backOff({ maxMs: 1_000 })
  for (let n = 1; ; n++) {
    try {
      await Promise.all(clients.map((client) => client.connect()))
      return
    } catch (thrown) {
      const failure = failureOf(thrown)
      if (closing.aborted) throw closed()
      const untilNextMs = waitMs(n)
      if (isHopeless(failure) || monotonic(clock) + untilNextMs > deadline) throw unreachable(address.where, failure)
      await sleep(clock, untilNextMs, closing)
    }
  }
}
