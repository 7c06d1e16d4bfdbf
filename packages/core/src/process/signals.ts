const NUMBERS = { SIGTERM: 15, SIGINT: 2 } as const

// Ctrl-C under npm arrives twice, from the terminal and from npm: that is one signal.
const SAME_SIGNAL_MS = 250
const LOOK_EVERY_MS = 500

/** Calls `stop` at the first signal; a second one calls `kill` and exits at once, with 128 and its number. */
export function onSignals(stop: (signal: string) => void, kill: () => void = () => undefined): void {
  let firstAt: number | undefined
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      const now = performance.now()
      if (firstAt === undefined) {
        firstAt = now
        stop(signal)
      } else if (now - firstAt > SAME_SIGNAL_MS) {
        kill()
        process.exit(128 + NUMBERS[signal])
      }
    })
  if (process.env.npm_lifecycle_event !== undefined)
    whenParentIsGone(() => {
      firstAt ??= performance.now()
      stop('the end of the script')
    })
}

/**
 * npm and npx hand a SIGTERM to the shell that they started us with, which ends of it and tells nobody: without this a process that a deploy has
 * stopped would go on consuming, as nobody's child.
 */
function whenParentIsGone(stop: () => void): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    stop()
  }, LOOK_EVERY_MS)
  timer.unref()
}
