import { type Clock, sleep } from '../clock.ts'
import { backOff } from './back-off.ts'
import { insist } from './insist.ts'

export interface ConnectingOptions {
  readonly clock: Clock
  /** Aborted when the driver is closed. */
  readonly closing: AbortSignal
  /** Whether nothing helps until somebody does something: a password, a certificate, a host that is another's. */
  readonly isHopeless: (thrown: unknown) => boolean
  /** The error for a server that cannot be connected to. */
  readonly unreachable: (thrown: unknown) => Error
  readonly closed: () => Error
  /** How long to wait after the nth failure. */
  readonly waitMs?: (n: number) => number
}

/** Runs `connect` until it works or `withinMs` are over. @throws what `unreachable` and `closed` make. */
export async function connectWithin(
  connect: () => Promise<unknown>,
  withinMs: number,
  { clock, closing, isHopeless, unreachable, closed, waitMs = backOff() }: ConnectingOptions,
): Promise<void> {
  try {
    await insist(connect, { clock, withinMs, signal: closing, waitMs, isFinal: isHopeless })
  } catch (thrown) {
    throw closing.aborted ? closed() : unreachable(thrown)
  }
}

export interface ComingBackOptions extends ConnectingOptions {
  /** There was a connection just now, so the server is given a moment. */
  readonly afterLoss: boolean
  /** That the connection is lost was said. That it does not come back until somebody does something is news, each time. */
  readonly onHopeless: (error: Error) => void
}

/** Runs `connect` until it works, however long that takes, or the driver is closed. Never rejects. */
export async function comeBack(
  connect: () => Promise<unknown>,
  { clock, closing, isHopeless, unreachable, waitMs = backOff(), afterLoss, onHopeless }: ComingBackOptions,
): Promise<void> {
  let failures = 0
  if (afterLoss) await sleep(clock, waitMs(++failures), closing)
  const connectOrSay = async () => {
    if (closing.aborted) return
    await connect().catch((thrown: unknown) => {
      if (!closing.aborted && isHopeless(thrown)) onHopeless(unreachable(thrown))
      throw thrown
    })
  }
  await insist(connectOrSay, { clock, signal: closing, waitMs: () => waitMs(++failures) }).catch(() => {}) // the driver is closed
}
