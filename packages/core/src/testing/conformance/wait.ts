import { AssertionError } from 'node:assert'
import { inspect } from 'node:util'
import { PATIENCE } from './patience.ts'

/** One limit for everything that must happen: generous, since only a failing case waits this long. */
const UNTIL_MS = 20_000
const QUIET_MS = 250
const LOOK_EVERY_MS = 3

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Resolves when `happened` is true. Fails with what `saw` tells when that takes too long. */
export async function until(happened: () => boolean | Promise<boolean>, saw: () => unknown, withinMs: number = UNTIL_MS): Promise<void> {
  const limitMs = withinMs * PATIENCE
  const deadline = performance.now() + limitMs
  while (!(await happened())) {
    if (performance.now() > deadline)
      throw new AssertionError({
        message: `not within ${limitMs} ms: ${happened.toString()}; saw ${inspect(await saw(), { depth: 4 })}`,
        stackStartFn: until,
      })
    await pause(LOOK_EVERY_MS)
  }
}

/** For 'nothing more comes': the one wait that is no event. */
export function quiet(ms: number = QUIET_MS): Promise<void> {
  return pause(ms)
}
