import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Finding } from './ledger.ts'
import type { ChaosOptions } from './run.ts'

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
