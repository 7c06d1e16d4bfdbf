import { CorebusError } from '@corebus/core'
import { isMissingTable } from '@corebus/sql/internal'
import { type Reads, readsOf } from '../documents/access.ts'
import type { Projection } from './projection.ts'
import { orMissing, type Workings } from './workings.ts'

type AnyReads = Reads<object>

/** Returns what readers see: the collections that the database says are shown now, each time that they ask. */
export function readsOfProjection(projection: Projection, workings: Workings): Readonly<Record<string, AnyReads>> {
  return Object.fromEntries(
    Object.keys(projection.collections).map((name) => [
      name,
      {
        get: (id) => reading(projection, name, workings, (reads) => reads.get(id)),
        find: (query) => reading(projection, name, workings, (reads) => reads.find(query)),
      } satisfies AnyReads,
    ]),
  )
}

/** After a rebuild the collections that were shown before are dropped: who was about to read them reads the new ones. */
async function reading<T>({ name }: Projection, collection: string, workings: Workings, work: (reads: AnyReads) => Promise<T>): Promise<T> {
  const { database, generations, store } = workings
  const active = (): Promise<number | undefined> => database.read(async (tx) => (await generations.active(tx, name))?.number)
  let read: number | undefined
  for (;;) {
    try {
      const result = await database.read(async (tx) => {
        const generation = await generations.active(tx, name)
        const place = generation?.places[collection]
        if (!place) throw notFilled(name, collection, generation !== undefined)
        read = generation.number
        return await work(readsOf<object>(collection, place, store.documents(tx)))
      })
      // A store of its own may have answered from a collection that was dropped meanwhile, which then is empty.
      if (store.transactional || (await active()) === read) return result
    } catch (thrown) {
      if (!isMissingTable(thrown)) throw thrown
      if (read === undefined || (await active()) === read) throw orMissing(thrown, workings)
    }
  }
}

function notFilled(name: string, collection: string, isThere: boolean): CorebusError {
  return new CorebusError(
    'PROJECTION',
    isThere
      ? `projection ${name} was filled before it had the collection ${collection}: run \`npx corebus projections rebuild ${name}\``
      : `projection ${name} has no collections yet: call migrate() of its projections at start, or run \`npx corebus projections migrate\``,
  )
}
