import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { LoadedChange } from './chaos/mutation.ts'
import type { ChaosMemberOrders, ChaosProducerOrders, HostileOrders } from './notes.ts'
import type { Command, MemberOrders, Place, Said } from './protocol.ts'
import { commandFor } from './scripts.ts'
import type { ConformanceTarget } from './target.ts'

/** A process of its own that takes part, and can be killed for real. */
export interface Child {
  /** What it has said so far, in order. */
  readonly said: readonly Said[]
  readonly heard: <K extends Said['kind']>(kind: K) => readonly (Said & { readonly kind: K })[]
  readonly tell: (command: Command) => void
  readonly signal: (signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM') => void
  /** kill -9, and waits for its end. */
  readonly kill: () => Promise<void>
  /** Resolves with what it exited with; null when a signal ended it. */
  readonly exited: Promise<number | null>
  /** For failures: what it wrote to the standard error. */
  readonly trouble: () => string
}

export type Script = 'member' | 'publisher' | 'handler' | 'heap' | 'chaos-member' | 'chaos-producer' | 'hostile'
export type Orders =
  | Omit<MemberOrders, keyof Place>
  | (Partial<Place> & Omit<ChaosMemberOrders, keyof Place>)
  | (Partial<Place> & Omit<ChaosProducerOrders, keyof Place>)
  | Omit<HostileOrders, keyof Place>

/**
 * Starts one of the processes of `@corebus/conformance` with plain node. The orders travel as an argument; what it says are lines that begin with @, so that logs do
 * not disturb.
 */
export function startChild(script: Script, orders: Orders, target: ConformanceTarget, changes: readonly LoadedChange[] = []): Child {
  // A test runner's own flags (loaders, coverage) are not for plain node.
  const { NODE_OPTIONS: _, ...inherited } = process.env
  const command = commandFor(script, { changed: changes.length > 0 })
  const child = spawn(process.execPath, ['--expose-gc', ...command, JSON.stringify({ ...target.options, ...orders })], {
    env: { ...inherited, LOG_LEVEL: 'silent', ...target.env, ...(changes.length > 0 && { COREBUS_MUTATION: JSON.stringify(changes) }) },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const said: Said[] = []
  let stderr = ''
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('@')) said.push(JSON.parse(line.slice(1)))
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = `${stderr}${chunk}`.slice(-4_000)
  })
  // It may be gone when it is told something.
  child.stdin.on('error', () => {})
  const exited = once(child, 'close').then(([code]: (number | null)[]) => code ?? null)
  return {
    said,
    heard: <K extends Said['kind']>(kind: K) => said.filter((one): one is Said & { readonly kind: K } => one.kind === kind),
    tell: (command) => child.stdin.write(`${JSON.stringify(command)}\n`),
    signal: (signal) => child.kill(signal),
    async kill() {
      killIfRunning(child)
      await exited
    },
    exited,
    trouble: () => stderr,
  }
}

function killIfRunning(child: ChildProcess): void {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
}
