import { watch } from 'node:fs'
import type { Clock } from '../../driver.ts'

// The watch fires on the write to the log, which comes before the commit can be seen: 2 to 8 % of immediate looks find nothing.
const LOOKS_AFTER_MS = [0, 1, 2, 5, 10]
const POLL_MS = 25

export interface WakeOptions {
  readonly path: string
  readonly clock: Clock
  /** Asked often, so it must be cheap when nothing has changed. */
  readonly look: () => void
  /** False: poll, as where the system has no watch (or no more of them). */
  readonly watching: boolean
}

/** Calls `look` soon after another process may have committed. Returns what ends it. */
export function watchCommits({ path, clock, look, watching }: WakeOptions): () => void {
  const stopWatching = watching ? watchWal(`${path}-wal`, clock, look) : undefined
  return stopWatching ?? poll(clock, look)
}

function watchWal(wal: string, clock: Clock, look: () => void): (() => void) | undefined {
  let step = 0
  let cancel: (() => void) | undefined
  const next = () => {
    look()
    const gap = (LOOKS_AFTER_MS[step + 1] ?? 0) - (LOOKS_AFTER_MS[step] ?? 0)
    step++
    cancel = step < LOOKS_AFTER_MS.length ? clock.after(gap, next) : undefined
  }
  const onEvent = () => {
    cancel?.()
    step = 0
    next()
  }
  try {
    const watcher = watch(wal, { persistent: false }, onEvent)
    watcher.on('error', () => watcher.close())
    return () => {
      cancel?.()
      cancel = undefined
      watcher.close()
    }
  } catch {
    return undefined
  }
}

function poll(clock: Clock, look: () => void): () => void {
  let cancel = clock.after(POLL_MS, tick)
  function tick() {
    cancel = clock.after(POLL_MS, tick)
    look()
  }
  return () => cancel()
}
