import type { Entry } from './entries.ts'

/**
 * A row that differs. `missing`: the replica lacks it. `extra`: the master has no such row. `behind` and `ahead`: of the replica's revision. `fields`: of one
 * revision, and the values differ. `unknown`: written into either table without saying so.
 */
export interface Difference {
  readonly key: string
  readonly why: 'missing' | 'extra' | 'behind' | 'ahead' | 'fields' | 'unknown'
  /** Null where it has none. */
  readonly master: number | null
  readonly replica: number | null
  /** The revision of the replica's tombstone, where it has deleted the row. Files do not list them: there it is the highest of all. */
  readonly tombstone?: number
  /** The fields that differ, where it was compared deeply. */
  readonly fields?: readonly string[]
}

/** Compares the entries of one part. */
export function differencesIn(masters: readonly Entry[], replicas: readonly Entry[]): readonly Difference[] {
  const theirs = new Map(replicas.map((one) => [one.key, one]))
  const found: Difference[] = []
  for (const ours of masters) {
    const other = theirs.get(ours.key)
    theirs.delete(ours.key)
    const difference = differenceOf(ours, other)
    if (difference) found.push(difference)
  }
  for (const { key, revision } of theirs.values()) found.push({ key, why: 'extra', master: null, replica: revision })
  return found
}

function differenceOf({ key, revision, fields }: Entry, other: Entry | undefined): Difference | undefined {
  if (!other) return fields === null ? undefined : { key, why: 'missing', master: revision, replica: null }
  const both = { key, master: revision, replica: other.revision }
  if (other.revision !== revision) return { ...both, why: other.revision < revision ? 'behind' : 'ahead' }
  if (fields === undefined || other.fields === undefined) return undefined
  // Deleted at the master without saying so, or at the replica.
  if (fields === null) return { ...both, why: 'extra' }
  if (other.fields === null) return { ...both, why: 'missing' }
  const theirs = other.fields
  const names = Object.keys(fields).filter((name) => Object.hasOwn(theirs, name) && theirs[name] !== fields[name])
  return names.length === 0 ? undefined : { ...both, why: 'fields', fields: names }
}

/** Rows that somebody has written without saying so, unless they are among the differences already. */
export function withStrangers(
  found: readonly Difference[],
  { masters, replicas }: { readonly masters: readonly string[]; readonly replicas: readonly string[] },
): readonly Difference[] {
  const known = new Set(found.map(({ key }) => key))
  const strangers = new Map<string, Difference>()
  for (const key of [...masters, ...replicas]) if (!known.has(key)) strangers.set(key, { key, why: 'unknown', master: null, replica: null })
  return [...found, ...strangers.values()]
}
