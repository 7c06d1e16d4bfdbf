import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'

/**
 * What was started here and must not outlive this process: processes by their id, and folders. Ended at exit; should this process be killed
 * itself, a shell that watches it does the same a second later.
 */
export class Owned {
  readonly #pids = new Set<number>()
  readonly #folders = new Set<string>()
  #watch: ChildProcess | undefined
  readonly #atExit = () => this.#endNow()

  constructor() {
    process.once('exit', this.#atExit)
  }

  process(pid: number): void {
    this.#pids.add(pid)
    this.#watchAnew()
  }

  /** It has ended, or is to be left alone. */
  forget(pid: number): void {
    this.#pids.delete(pid)
    this.#watchAnew()
  }

  folder(path: string): void {
    this.#folders.add(path)
    this.#watchAnew()
  }

  /** Ends everything and resolves when it is gone. Safe to call twice. */
  async end(): Promise<void> {
    process.removeListener('exit', this.#atExit)
    const pids = [...this.#pids]
    this.#endNow()
    for (const pid of pids) await ended(pid)
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    this.#folders.clear()
    this.#watch?.kill('SIGKILL')
  }

  #endNow(): void {
    for (const pid of this.#pids) signal(pid, 'SIGKILL')
    this.#pids.clear()
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  #watchAnew(): void {
    this.#watch?.kill('SIGKILL')
    this.#watch = undefined
    if (this.#pids.size === 0) return
    const script = 'while kill -0 "$1" 2>/dev/null; do sleep 1; done; kill -9 $2 2>/dev/null; sleep 0.5; rm -rf "$3"'
    const args = [String(process.pid), [...this.#pids].join(' '), [...this.#folders][0] ?? '/nonexistent']
    this.#watch = spawn('/bin/sh', ['-c', script, 'watch', ...args], { stdio: 'ignore', detached: true })
    this.#watch.unref()
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // Gone already: that is what was wanted.
  }
}

export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Resolves when the process is gone. */
export async function ended(pid: number, withinMs = 20_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (runs(pid)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} still runs after ${withinMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Resolves when a child has ended, also when it did so before. */
export async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}
