import { CorebusError } from '@corebus/core'
import { type WithEntry, withEntry } from '@corebus/core/internal/cli'
import { told } from '@corebus/sql/internal/cli'
import type { Projection } from '../projection/projection.ts'
import { orMissing, type Workings, workingsOf } from '../projection/workings.ts'

export interface Json extends WithEntry {
  readonly json?: true
}

/** Works with all projections of the default instance. @throws CorebusError USAGE where it has none */
export function withProjections<T>(options: WithEntry, work: (all: readonly Workings[]) => Promise<T>): Promise<T> {
  return withEntry(options, async ({ messaging }) => {
    const all = workingsOf(messaging)
    if (all.length > 0) return work(all)
    throw new CorebusError(
      'USAGE',
      'the default instance of the entry has no projections: call projections(messaging, [...]) of @corebus/cqrs there, or name another file with --entry',
    )
  })
}

/** @throws CorebusError SCHEMA where the tables are missing */
export function checkTables(workings: Workings): Promise<void> {
  const { database, generations } = workings
  return told(database, async () => {
    try {
      await database.read((tx) => generations.all(tx))
    } catch (thrown) {
      throw orMissing(thrown, workings)
    }
  })
}

/** The projection of this name, and those that it was given with. @throws CorebusError USAGE */
export function withName(all: readonly Workings[], name: string): readonly [Projection, Workings] {
  for (const workings of all) {
    const projection = workings.all.find((one) => one.name === name)
    if (projection) return [projection, workings]
  }
  throw new CorebusError(
    'USAGE',
    `the entry has no projection ${name}; there are ${all.flatMap((one) => one.all.map((projection) => projection.name)).join(', ')}`,
  )
}
