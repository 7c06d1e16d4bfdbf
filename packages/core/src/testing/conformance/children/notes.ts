import { CorebusError } from '../../../errors.ts'
import { monotonicMs, type Place, say } from './protocol.ts'

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

/** `fails` of an errand that never succeeds. */
export const ALWAYS = 1_000
export const MAX_RETRIES = 4
/** Doubled with every retry. */
export const FIRST_RETRY_MS = 100
export const LONGEST_RETRY_MS = 800
export const PUBLISH_TIMEOUT_MS = 10_000

/** Of a hundred messages, about so many. */
export interface Mix {
  /** Throw one to three times, then succeed. */
  readonly failing: number
  /** Throw always: they belong in the dead letters. */
  readonly hopeless: number
  /** Take so long that they outlast most faults. */
  readonly slow: number
  /** Kill their process: they belong in the dead letters too. */
  readonly killing: number
}

export interface ChaosMemberOrders extends Place {
  readonly topic: string
}

export interface ChaosProducerOrders extends Place {
  readonly topics: readonly string[]
  readonly seed: number
  /** 'one': each is awaited before the next; 'many': in batches, several of them in flight. */
  readonly sends: 'one' | 'many'
  readonly mix: Mix
  readonly pauseMs: number
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

export function codeOf(error: unknown): string {
  return error instanceof CorebusError ? error.code : 'none'
}

export function giveUp(error: unknown): never {
  note({ what: 'gaveUp', code: codeOf(error) })
  console.error(error)
  process.exit(1)
}

type Untimed<N> = N extends Note ? Omit<N, 'at'> : never

export function note(untimed: Untimed<Note>): void {
  // Spreading loses which member of the union it was.
  say({ kind: 'note', note: { ...untimed, at: monotonicMs() } as Note })
}
