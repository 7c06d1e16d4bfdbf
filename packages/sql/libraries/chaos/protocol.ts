import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { DatabaseName } from './tables.ts'

export type Role = 'producer' | 'relay' | 'consumer' | 'recorder'

/** What a process of the run is told when it starts, as its one argument. */
export interface Orders {
  readonly name: string
  readonly database: DatabaseName
  readonly databaseUrl: string
  readonly broker: 'sqlite' | 'redis' | 'rabbitmq' | 'kafka'
  readonly brokerUrl: string
  /** Options for the broker's client library. */
  readonly client?: Readonly<Record<string, unknown>>
  readonly topic: string
  readonly seed: number
  /** One key runs in one place at a time, however many consumers there are: only some brokers can. */
  readonly ordered: boolean
  readonly mix: Mix
}

/** What sessions and handlers do. Shares are of a hundred. */
export interface Mix {
  readonly keys: number
  /** A producer's sessions at once. */
  readonly sessionsAtOnce: number
  /** Throw after they have emitted. */
  readonly throwing: number
  /** Keep the key's lock for a while, up to `slowMs`, and commit. */
  readonly slow: number
  readonly slowMs: number
  /** Keep it for `hangingMs` and throw then: most of them are killed before. */
  readonly hanging: number
  readonly hangingMs: number
  /** Handlers that throw after they have written. */
  readonly failing: number
  /** Of a thousand handlers, so many outlast their time, and write once more then: nothing of it may be seen. */
  readonly overdue: number
  /** A handler takes up to so long. */
  readonly handlerMs: number
  readonly pauseMs: number
}

/**
 * Where a process may be told to die. A relay has `published` between the broker's confirm and the deletion of the row, and a consumer `dispatched` between its
 * commit and the acknowledgement.
 */
export type Moment = 'emitted' | 'committed' | 'published' | 'written' | 'returned' | 'dispatched'

export type Command = { readonly do: 'close' } | { readonly do: 'die'; readonly when: Moment; readonly turns: number }

/** A line that a process writes to its output, after an @. `at` is the clock that all processes of a machine share, in ms. */
export type Said =
  | { readonly kind: 'ready' | 'closed'; readonly at: number }
  /** A producer's session has committed, or was rolled back: `tokens` name its movements. */
  | { readonly kind: 'committed' | 'rolledBack'; readonly at: number; readonly tokens: readonly string[] }
  /** A relay has the broker's confirm; a consumer's handler has returned; the recorder has seen one. */
  | { readonly kind: 'published' | 'handled' | 'seen'; readonly at: number; readonly id: string; readonly move?: Move }
  /** What became of a delivery, as the consumer's runtime says it. */
  | { readonly kind: 'delivered'; readonly at: number; readonly id: string }
  | { readonly kind: 'dispatched' | 'settled'; readonly at: number; readonly id: string; readonly how: string }
  | { readonly kind: 'state'; readonly at: number; readonly how: string }
  /** A change was made to a source as it was loaded. */
  | { readonly kind: 'mutated'; readonly at: number; readonly find: string }
  | { readonly kind: 'gaveUp'; readonly at: number; readonly code: string; readonly text: string }

export interface Move {
  readonly token: string
  readonly key: string
  readonly n: number
}

type Untimed<One> = One extends Said ? Omit<One, 'at'> : never

export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}

/** Written before this returns, so that it has been said also when the next thing is kill -9. */
export function say(untimed: Untimed<Said>): void {
  let rest = Buffer.from(`@${JSON.stringify({ ...untimed, at: monotonicMs() })}\n`)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

export const orders = (): Orders => JSON.parse(process.argv[2] ?? '{}')

let doom: Extract<Command, { do: 'die' }> | undefined

/** Obeys what the supervisor says. `close` ends the process with 0 when it resolves. */
export function obey(close: () => Promise<void>): void {
  const lines = createInterface({ input: process.stdin }).on('line', (line) => {
    const command: Command = JSON.parse(line)
    if (command.do === 'die') doom = command
    else
      close().then(() => {
        say({ kind: 'closed' })
        process.exit(0)
      }, giveUp)
  })
  // The supervisor is gone, and nobody would end this process any more.
  lines.on('close', () => process.exit(1))
}

/** Dies here if it was told to, some turns of the event loop later. */
export function reach(moment: Moment): void {
  if (doom?.when !== moment) return
  let { turns } = doom
  doom = undefined
  const step = () => (turns-- > 0 ? setImmediate(step) : process.kill(process.pid, 'SIGKILL'))
  step()
}

export function giveUp(error: unknown): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'none'
  say({ kind: 'gaveUp', code, text: String(error) })
  process.exit(1)
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
