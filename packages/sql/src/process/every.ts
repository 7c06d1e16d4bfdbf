import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

/** Runs work that belongs to nobody's session or request, wherever it was begun. */
export const asideOfAll: <T>(work: () => T) => T = AsyncLocalStorage.snapshot()

/** Work that is repeated until it is ended. */
export interface Repeated {
  begin(): void
  /** Resolves when the work that runs has ended, or after `withinMs`. Safe to call twice, and before `begin`. */
  end(withinMs: number): Promise<void>
}

/**
 * Repeats `work`, the first time after a random part of `everyMs`, so that processes that start together do not meet. What it throws is told to
 * `trouble` once, and with undefined when it has worked again. Keeps no process alive.
 */
export function every(
  everyMs: number,
  trouble: (error: Error | undefined) => void,
  work: (signal: AbortSignal) => Promise<void>,
): Repeated {
  const ending = new AbortController()
  let running: Promise<void> | undefined
  let failing = false
  const once = async (): Promise<void> => {
    try {
      await work(ending.signal)
      if (failing) trouble(undefined)
      failing = false
    } catch (thrown) {
      if (ending.signal.aborted) return
      if (!failing) trouble(thrown instanceof Error ? thrown : new Error(String(thrown)))
      failing = true
    }
  }
  const repeat = async (): Promise<void> => {
    for (let waitMs = everyMs * Math.random(); await slept(waitMs, ending.signal); waitMs = everyMs) await once()
  }
  return {
    begin() {
      if (!ending.signal.aborted) running ??= asideOfAll(repeat)
    },
    async end(withinMs) {
      ending.abort()
      await atMost(withinMs, running)
    },
  }
}

/** Waits, and keeps no process alive unless `ref` says so. False when the signal was aborted meanwhile. */
export async function slept(ms: number, signal: AbortSignal, ref = false): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal, ref })
    return true
  } catch {
    // Nothing but the signal ends it.
    return false
  }
}

/** Resolves with the promise, or after `ms`. @throws what the promise is rejected with by then */
export async function atMost(ms: number, promise: Promise<void> | undefined): Promise<void> {
  const waiting = new AbortController()
  try {
    await Promise.race([promise, slept(ms, waiting.signal, true)])
  } finally {
    waiting.abort()
  }
}
