import { leaseStore } from '@corebus/sql/internal'
import type { Standing } from './generations.ts'
import type { Projection } from './projection.ts'
import type { Workings } from './workings.ts'

/** The state of a projection, for people and their scripts. */
export interface ProjectionStatus {
  readonly name: string
  /** The version in the code; null for a projection that the code does not have any more. */
  readonly version: number | null
  /** The version of the code that made what readers are shown; null before the first event. */
  readonly builtVersion: number | null
  readonly state: 'current' | 'stale' | 'rebuilding' | 'empty' | 'unknown'
  readonly generation: number | null
  readonly rebuiltAt: string | null
  readonly rebuild: { readonly done: number; readonly total: number } | null
  /** How many documents readers are shown, by collection. */
  readonly documents: Readonly<Record<string, number>>
}

/** Returns the state of all projections of the code, and of those that the database knows beside them. */
export async function statusOf({ database, generations, store, leases, all }: Workings): Promise<readonly ProjectionStatus[]> {
  // A rebuild that was killed has left its mark, and nobody has its lease.
  const left = leaseStore(database.dialect, leases.feature.name)
  const standings = await database.read((tx) => generations.all(tx))
  const names = [...new Set([...all.map(({ name }) => name), ...standings.map(({ name }) => name)])].toSorted()
  return Promise.all(
    names.map(async (name) => {
      const projection = all.find((one) => one.name === name)
      const standing = standings.find((one) => one.name === name)
      const places = Object.entries(standing?.active?.places ?? {})
      const counts = await Promise.all(places.map(async ([collection, place]) => [collection, await store.count(place.name)] as const))
      const runs = standing?.building !== undefined && (await database.read((tx) => left.left(tx, leaseOf(name)))) > 0
      return {
        name,
        version: projection?.version ?? null,
        builtVersion: standing?.active?.version ?? null,
        state: stateOf(projection, standing, runs),
        generation: standing?.active?.number ?? null,
        rebuiltAt: standing?.built === undefined ? null : new Date(standing.built).toISOString(),
        rebuild: runs && standing?.building ? { done: standing.building.done, total: standing.building.total } : null,
        documents: Object.fromEntries(counts),
      }
    }),
  )
}

export const leaseOf = (name: string): string => `rebuild:${name}`

function stateOf(projection: Projection | undefined, standing: Standing | undefined, runs: boolean): ProjectionStatus['state'] {
  if (runs) return 'rebuilding'
  if (!projection) return 'unknown'
  if (!standing?.active) return 'empty'
  return standing.active.version === projection.version ? 'current' : 'stale'
}
