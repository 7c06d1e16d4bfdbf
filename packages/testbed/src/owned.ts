import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import type { Writable } from 'node:stream'

export interface SpawnOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** A file that takes output and errors. */
  readonly output?: number | 'ignore'
  /** Another user than ours; only root may say so. */
  readonly uid?: number
  readonly gid?: number
}

/** Is told `+ pid`, `- pid` and `folder path`, and ends what is left of them when its input ends. */
const WATCH = `
pids='' folder=/nonexistent
while read -r what which; do
  case $what in
    +) pids="$pids $which" ;;
    -) left=''; for pid in $pids; do [ "$pid" = "$which" ] || left="$left $pid"; done; pids=$left ;;
    folder) folder=$which ;;
  esac
done
for pid in $pids; do kill -s KILL -- "$pid" 2>/dev/null; done
sleep 0.5
rm -rf "$folder"`

/** Waits for a word before it becomes what it is to be: killed before the shell above was told, we leave nothing that runs. */
const GATE = 'read -r go && exec "$@" </dev/null'

/**
 * What was started here and must not outlive this process: processes by their id, and a folder. Ended at exit; should this process be killed
 * itself, a shell does it, whose input ends with this process.
 */
export class Owned {
  readonly #pids = new Set<number>()
  #folder: string | undefined
  readonly #watch: ChildProcessByStdio<Writable, null, null>
  readonly #atExit = () => this.#endNow()

  constructor() {
    process.once('exit', this.#atExit)
    this.#watch = spawn('/bin/sh', ['-c', WATCH], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    // Neither the shell nor its input keeps a process alive that is done.
    this.#watch.unref()
    if ('unref' in this.#watch.stdin && typeof this.#watch.stdin.unref === 'function') this.#watch.stdin.unref()
    // It ends with `end`: nothing is left to be told.
    this.#watch.stdin.on('error', () => {})
  }

  folder(path: string): void {
    this.#folder = path
    this.#watch.stdin.write(`folder ${path}\n`)
  }

  /** Starts a process with its own group, which does not get the terminal's Ctrl-C. */
  spawn(command: string, args: readonly string[], { output = 'ignore', ...options }: SpawnOptions = {}): ChildProcess {
    const gate = ['-c', GATE, 'gate', command, ...args]
    const child = spawn('/bin/sh', gate, { ...options, stdio: ['pipe', output, output], detached: true })
    if (child.pid !== undefined) this.process(-child.pid)
    child.stdin?.on('error', () => {}) // gone already: whoever waits for it sees that
    child.stdin?.end('go\n')
    return child
  }

  /** A process, or with a negative number a group of them. */
  process(pid: number): void {
    this.#pids.add(pid)
    this.#watch.stdin.write(`+ ${pid}\n`)
  }

  /** It has ended, or is to be left alone. */
  forget(pid: number): void {
    this.#pids.delete(pid)
    this.#watch.stdin.write(`- ${pid}\n`)
  }

  /** Ends everything and resolves when it is gone. Safe to call twice. */
  async end(): Promise<void> {
    process.removeListener('exit', this.#atExit)
    const pids = [...this.#pids]
    this.#endNow()
    for (const pid of pids) await ended(pid)
    this.#removeFolder()
    this.#watch.kill('SIGKILL')
  }

  #endNow(): void {
    for (const pid of this.#pids) signal(pid, 'SIGKILL')
    this.#pids.clear()
    this.#removeFolder()
  }

  #removeFolder(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
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
