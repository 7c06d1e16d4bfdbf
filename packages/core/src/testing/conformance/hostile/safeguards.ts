import type { Mutation } from '../chaos/mutation.ts'
import type { Finding } from './finding.ts'

/** One safeguard taken out, so that the fuzz must find something. */
export interface HostileMutation extends Pick<Mutation, 'name' | 'changes'> {
  /** One of these at least. */
  readonly shows: readonly Finding['kind'][]
  /** Its consumer is killed so often: one of them must hit what is unguarded. */
  readonly kills?: number
}

/** Of the core, where somebody else can write to the broker. A driver names its own in its `ConformanceTarget`. */
export const oldTrust: HostileMutation = {
  name: 'headers of ours are believed in whatever message they stand',
  changes: [{ file: 'consumer/outcome.ts', find: 'if (original) return FIRST', replace: '' }],
  shows: ['letter'],
}

/** Of the core, where the broker refuses copies for good. */
export const endlessSettler: HostileMutation = {
  name: 'what the broker refuses for good is asked for again, for ever',
  changes: [
    {
      file: 'consumer/settler.ts',
      find: 'const instead = why && this.#options.onRefused(settlement, why)',
      replace: 'const instead = undefined',
    },
  ],
  shows: ['stuck'],
}
