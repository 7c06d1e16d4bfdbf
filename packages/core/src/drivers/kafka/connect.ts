import type { Clock } from '../../clock.ts'
import { backOff } from '../back-off.ts'
import { connectWithin } from '../connecting.ts'
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
  await connectWithin(() => Promise.all(clients.map((client) => client.connect())), timeoutMs, {
    clock,
    closing,
    isHopeless: (thrown) => isHopeless(failureOf(thrown)),
    unreachable: (thrown) => unreachable(address.where, failureOf(thrown)),
    closed,
    waitMs: backOff({ maxMs: 1_000 }),
  })
}
