import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { type LogLine, readLogLine } from './log-line.ts'

export interface Line {
  /** The process: `users-api`, `users-api consumer`, ... */
  readonly from: string
  readonly text: string
  /** Undefined for what is no JSON log line. */
  readonly log: LogLine | undefined
}

/** A service as a process of its own, like in production, on a leash. */
export interface Child {
  readonly name: string
  readonly pid: number | undefined
  /** How it ended, once it has: `exit code 0`, `SIGKILL`, or why it never started. */
  readonly ended: Promise<string>
  signal(signal: NodeJS.Signals): void
}

export interface LaunchOptions {
  readonly name: string
  /** Arguments of the Node that runs this. */
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  readonly onLine: (line: Line) => void
}

const LEASH = new URL('./leash.ts', import.meta.url).href
const running = new Set<ChildProcess>()
// The last resort, for every way out that runs no `finally`. For those that run nothing at all there is the leash.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export function launch({ name, args, cwd, env, onLine }: LaunchOptions): Child {
  // A group of its own: Ctrl-C on the terminal reaches only us, and we ask each process once to drain.
  const child = spawn(process.execPath, ['--import', LEASH, ...args], { cwd, env, stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  running.add(child)
  for (const stream of [child.stdout, child.stderr]) readLines(stream, (text) => onLine({ from: name, text, log: readLogLine(text) }))
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(`could not start: ${error.message}`))
    // 'close' and not 'exit': its last lines come before.
    child.on('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
  }).finally(() => running.delete(child))
  return { name, pid: child.pid, ended, signal: (signal) => void child.kill(signal) }
}

function readLines(stream: Readable, onText: (text: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onText)
}

export interface CommandResult {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

/** A command that ends by itself. */
export function run(args: readonly string[], { cwd, env }: { cwd: string; env: NodeJS.ProcessEnv }): Promise<CommandResult> {
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const said = { output: '', errors: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.errors += text
  })
  return new Promise<CommandResult>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, ...said }))
  }).finally(() => running.delete(child))
}
