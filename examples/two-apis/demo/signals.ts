const SAME_KEYSTROKE_MS = 500
const PARENT_EVERY_MS = 200
const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/**
 * Aborts on the first signal, so that everything can be put away; a second one ends the process at once (and its children with it, see
 * child.ts). npm may pass Ctrl-C on to a process that the terminal has already told: what comes within half a second is the same one.
 */
export function abortOnSignal(): AbortSignal {
  const controller = new AbortController()
  let firstAt: number | undefined
  for (const [name, number] of Object.entries(NUMBERS))
    process.on(name, () => {
      firstAt ??= performance.now()
      if (!controller.signal.aborted) return controller.abort(new Error(`stopped by ${name}`))
      if (performance.now() - firstAt > SAME_KEYSTROKE_MS) process.exit(128 + number)
    })
  if (process.env.npm_lifecycle_event) onParentGone(() => controller.abort(new Error('stopped, because npm was')))
  return controller.signal
}

/** npm passes a SIGTERM on to its shell, and the shell to nobody: it is gone, and its script would run on. */
function onParentGone(act: () => void): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    act()
  }, PARENT_EVERY_MS).unref()
}
