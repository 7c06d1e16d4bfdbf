import { CorebusError } from '../../errors.ts'
import { monotonicMs, type Note, type Place, say } from './protocol.ts'

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

export interface HostileOrders extends Place {
  readonly topic: string
  /** Its handler succeeds with everything. */
  readonly mended: boolean
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
