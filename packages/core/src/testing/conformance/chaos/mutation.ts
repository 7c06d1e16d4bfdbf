import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Mix } from '../notes.ts'
import type { Moment } from '../protocol.ts'
import type { Deck } from './history.ts'
import type { Finding } from './ledger.ts'

/** One safeguard taken out of the source, so that a run must go wrong: if it does not, the run proves nothing. */
export interface Mutation {
  readonly name: string
  readonly changes: readonly Change[]
  /** What must be found: one of these at least. Something else alone is no proof. */
  readonly shows: readonly Finding['kind'][]
  /** What it takes for it to show. The unchanged code must come out well under the same. */
  readonly chaos: Partial<ChaosOptions>
}

export interface Change {
  /** Below packages/core/src. */
  readonly file: string
  /** Must be there exactly once: a change that does nothing would be taken for a safeguard that is not needed. */
  readonly find: string
  readonly replace: string
}

export interface LoadedChange extends Change {
  readonly url: string
}

/** @throws Error for a change whose text is not in its file, or more than once. */
export function changesOf({ name, changes }: Pick<Mutation, 'name' | 'changes'>): readonly LoadedChange[] {
  return changes.map((change) => {
    const url = new URL(`../../../../src/${change.file}`, import.meta.url).href
    const times = readFileSync(fileURLToPath(url), 'utf8').split(change.find).length - 1
    if (times !== 1) throw new Error(`mutation "${name}": "${change.find}" is in ${change.file} ${times} times, and must be there once`)
    return { ...change, url }
  })
}

export interface ChaosOptions {
  /** The same seed, the same faults in the same order; not the same interleaving. */
  readonly seed: number
  /** So long things go wrong; then until everything in the deck has, and so many messages were confirmed. */
  readonly forMs: number
  readonly leastConfirmed: number
  /** So many before the first thing goes wrong: where something must have piled up by then. */
  readonly firstConfirmed: number
  readonly mix: Mix
  /** Shuffled and dealt, over and over. What the target cannot cause is left out. */
  readonly deck: Deck
  /** Where a member is killed: one of these, and some turns of the event loop later. */
  readonly moments: readonly Moment[]
  /** What a producer waits between two publishes. */
  readonly pauseMs: number
  /** So many; the members read one each, in turn. */
  readonly topics: number
  /** One safeguard less. */
  readonly mutation?: Pick<Mutation, 'name' | 'changes'>
}
