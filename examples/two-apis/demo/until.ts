import { setTimeout as sleep } from 'node:timers/promises'

const LOOK_EVERY_MS = 20

export interface UntilOptions {
  /** Ends the waiting with its reason: something has failed that makes it pointless. */
  readonly signal: AbortSignal
  /** Generous: it is only waited out when something is wrong. */
  readonly limitMs?: number
}

/** Looks again and again until there is something. @throws Error that says what did not happen. */
export async function until<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  { signal, limitMs = 20_000 }: UntilOptions,
): Promise<T> {
  const deadline = performance.now() + limitMs
  for (;;) {
    signal.throwIfAborted()
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`did not happen within ${limitMs / 1_000} s: ${what}`)
    await sleep(LOOK_EVERY_MS)
  }
}
