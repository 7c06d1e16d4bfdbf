const NUMBERS = { SIGTERM: 15, SIGINT: 2 } as const

// Ctrl-C under npm arrives twice, from the terminal and from npm: that is one signal.
const SAME_SIGNAL_MS = 250

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
}
