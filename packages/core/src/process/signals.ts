import { fs } from './built-in.ts'

const NUMBERS = { SIGTERM: 15, SIGINT: 2 } as const

// Ctrl-C under npm arrives twice, from the terminal and from npm: that is one signal.
const SAME_SIGNAL_MS = 250
const LOOK_EVERY_MS = 500

/** Calls `stop` once, at the first signal; a second one calls `kill` and exits at once, with 128 and its number. */
export function onSignals(stop: (signal: string) => void, kill: () => void = () => undefined): void {
  let firstAt: number | undefined
  let stopped = false
  const stopOnce = (why: string): void => {
    if (stopped) return
    stopped = true
    stop(why)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      const now = performance.now()
      if (firstAt === undefined) {
        firstAt = now
        stopOnce(signal)
      } else if (now - firstAt > SAME_SIGNAL_MS) {
        kill()
        process.exit(128 + NUMBERS[signal])
      }
    })
  // An empty value is for who is put into the background by a script on purpose.
  if (process.env.npm_lifecycle_event) whenParentsAreGone(() => stopOnce('the end of the script that started this process'))
}

/**
 * npm and npx hand a SIGTERM to the shell that they started us with, which ends of it and tells nobody: without this a process that a deploy has
 * stopped would go on consuming, as nobody's child. tsx starts a process of its own between the shell and us: then the shell is its parent.
 */
function whenParentsAreGone(stop: () => void): void {
  const isBehindTsx = process.execArgv.some((one) => /[\\/]tsx[\\/]/.test(one))
  const parents = (): string => (isBehindTsx ? `${process.ppid} ${parentOf(process.ppid)}` : String(process.ppid))
  const before = parents()
  const timer = setInterval(() => {
    if (parents() === before) return
    clearInterval(timer)
    stop()
  }, LOOK_EVERY_MS)
  timer.unref()
}

/** The parent of another process, which only Linux tells in a file; empty elsewhere. */
function parentOf(pid: number): string {
  try {
    // After the name of the program, which may hold anything, come its state and its parent.
    return fs().readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1] ?? ''
  } catch {
    return ''
  }
}
