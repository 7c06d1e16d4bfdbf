import { setTimeout as sleep } from 'node:timers/promises'

const LOOK_EVERY_MS = 20

/** Looks until it is so, at most `limitMs`. Says whether it is. */
export async function until(isSo: () => Promise<boolean>, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs
  for (;;) {
    if (await isSo()) return true
    if (performance.now() >= deadline) return false
    await sleep(LOOK_EVERY_MS)
  }
}
