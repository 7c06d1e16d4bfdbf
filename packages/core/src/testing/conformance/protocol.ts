import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { BrokerName, MessagingOptions } from '../../config/messaging-options.ts'
import type { DriverOptions } from '../../driver.ts'

/** Where the broker is, and how its client is to be. */
export interface Place {
  readonly broker?: BrokerName
  /** Instead of `broker`: the URL of a module that exports it as `driver`, as `createMessaging` takes it. Child processes import it too. */
  readonly driver?: string
  readonly url: string
  readonly client?: Readonly<Record<string, unknown>>
}

/** What a child process is told when it starts. */
export interface MemberOrders extends Place {
  readonly topic: string
  readonly group?: string
  readonly limit?: number
  /** What it does with a delivery, or its handler with a message. `n` is the number in the body. */
  readonly does?: Doing
  /** How long it takes for it; a publisher, between two batches. */
  readonly tookMs?: number
  /** For handlers: kill -9 on itself when the body says `poison`, beside whatever it `does`. */
  readonly dies?: boolean
  /** For the heap: after so many messages. */
  readonly measureAt?: readonly number[]
  readonly messaging?: Pick<
    MessagingOptions,
    'concurrency' | 'maxRetries' | 'retryDelayMs' | 'shutdownMs' | 'abortGraceMs' | 'handlerTimeoutMs' | 'crashLimit'
  >
}

export type Doing = 'hold' | 'ack' | 'retry' | 'throw'

/** Told while it runs, a line each. */
export type Command =
  | { readonly do: 'block'; readonly forMs: number }
  | { readonly do: 'close' | 'tellHealth' | 'tellHeap' }
  /** kill -9 on itself, so many turns of the event loop after the next such moment. */
  | { readonly do: 'die'; readonly when: Moment; readonly turns: number }

/** What a child says, a line each. Times are of the monotonic clock all processes of a machine share. */
export type Said =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'delivered'
      readonly id: string
      readonly n: number
      readonly key?: string
      readonly unsettledBefore: number
      readonly attempt: number
    }
  | {
      readonly kind: 'settled'
      readonly id: string
      readonly n: number
      readonly key?: string
      readonly startedAtMs: number
      readonly endedAtMs: number
    }
  /** From a member, `started` means that it is about to settle: if it dies before it says `settled`, either may be true. */
  | { readonly kind: 'started' | 'handled' | 'aborted'; readonly id: string; readonly n: number; readonly attempt: number }
  | { readonly kind: 'confirmed'; readonly ids: readonly string[] }
  | { readonly kind: 'heap'; readonly handled: number; readonly bytes: number }
  | {
      readonly kind: 'health'
      readonly isWell: boolean
      readonly unsettled: number
      readonly reasons: readonly string[]
    }
  | { readonly kind: 'unblocked' }
  | { readonly kind: 'closed' }
  | { readonly kind: 'note'; readonly note: Note }
  /** A change was made to a source as it was loaded. */
  | { readonly kind: 'mutated'; readonly find: string }

/** What `createMessaging` takes to get there. */
export function placeIn({ broker, driver, url, client }: Place): Pick<MessagingOptions, 'broker' | 'driver' | 'url' | 'client'> {
  return {
    ...(broker && { broker }),
    ...(driver !== undefined && { driver: async (options: DriverOptions) => (await import(driver)).driver(options) }),
    url,
    ...(client && { client }),
  }
}

export function readOrders<Orders = MemberOrders>(): Orders {
  return JSON.parse(process.argv[2] ?? '{}')
}

/**
 * Written before this returns, so that what was said has been said also when the next thing is kill -9. `process.stdout.write` does not
 * promise that: when whoever listens is slow, it keeps the rest in memory.
 */
export function say(said: Said): void {
  let rest = Buffer.from(`@${JSON.stringify(said)}\n`)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
      sleepSync(1)
    }
  }
}

export function onCommand(obey: (command: Command) => void): void {
  const lines = createInterface({ input: process.stdin }).on('line', (line) => obey(JSON.parse(line)))
  // Whoever started it is gone, and nobody would end it any more.
  lines.on('close', () => process.exit(1))
}

/** Nothing in this process runs meanwhile. */
export function block(forMs: number): void {
  sleepSync(forMs)
  say({ kind: 'unblocked' })
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** What one message of the chaos run asks of its handler: the body, as it travels. */
export interface Errand {
  readonly n: number
  /** How long its handler takes for it. */
  readonly tookMs: number
  /** So many calls throw; then it succeeds. */
  readonly fails: number
  /** Its handler ends the process with kill -9. */
  readonly kills?: true
}

/** Where a process may be killed: when a handler has begun, has thrown, has succeeded. */
export type Moment = 'called' | 'threw' | 'done'

/** A line of the ledger, said by the process it happened in. `at` is the clock that all processes of a machine share. */
export type Note =
  | { readonly what: 'sending'; readonly at: number; readonly messages: readonly { readonly id: string; readonly errand: Errand }[] }
  | { readonly what: 'confirmed'; readonly at: number; readonly ids: readonly string[] }
  | { readonly what: 'refused'; readonly at: number; readonly ids: readonly string[]; readonly why: string }
  | { readonly what: 'delivered'; readonly at: number; readonly id: string; readonly unsettledBefore: number }
  | { readonly what: Moment; readonly at: number; readonly id: string; readonly attempt: number }
  | { readonly what: 'settled'; readonly at: number; readonly id: string; readonly how: string; readonly afterMs?: number }
  /** Ends itself, because of this. */
  | { readonly what: 'gaveUp'; readonly at: number; readonly code: string }
  /** `of` is the connection, or the group's hold on its queue. */
  | {
      readonly what: 'state'
      readonly at: number
      readonly of: 'connection' | 'group'
      readonly state: string
      readonly why?: string
      readonly code?: string
    }
