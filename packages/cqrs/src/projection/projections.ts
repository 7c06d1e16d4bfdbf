import { CorebusError, type Messaging } from '@corebus/core'
import { checkOptions, flag, givenTo, having, type Option } from '@corebus/core/internal'
import { type DatabaseLike, type Feature, migrate, sqlLeases } from '@corebus/sql'
import { DATABASE, databaseFor, tableOption } from '@corebus/sql/internal'
import type { Reads } from '../documents/access.ts'
import { sqlDocuments } from '../documents/sql.ts'
import type { DocumentStore } from '../documents/store.ts'
import { barrier } from './barrier.ts'
import { Generations, placesOf } from './generations.ts'
import { handlerOf } from './handling.ts'
import { journal } from './journal.ts'
import type { Collections, DocumentOf, Projection } from './projection.ts'
import { readsOfProjection } from './reading.ts'
import { type RebuildOptions, type Rebuilt, rebuild } from './rebuild.ts'
import { projectionsFeature, tablesOf } from './tables.ts'
import { keepWorkings, named, shapesOf, type Workings, workingsOf } from './workings.ts'

export interface ProjectionsOptions {
  /** The database that the journal is in. Default: the database of the instance's `session`. */
  readonly database?: DatabaseLike
  /** The store that the documents are in. Default: beside the journal, on SQLite and PostgreSQL. */
  readonly documents?: DocumentStore
  /** Default `projections`. */
  readonly table?: string
  /** True in a process that answers reads and handles no events: nothing is registered, so nothing waits for `start`. Default false. */
  readonly readOnly?: boolean
}

export const PROJECTIONS: Readonly<Record<keyof ProjectionsOptions, Option>> = {
  database: { ...DATABASE, text: `where the journal is: ${DATABASE.text}` },
  documents: {
    default: 'tables beside the journal, on SQLite and PostgreSQL',
    must: having('create', 'drop', 'count', 'documents'),
    text: 'where the documents are: `mongoDocuments(client.db("shop"))`',
  },
  table: tableOption('projections'),
  readOnly: {
    default: 'false',
    must: flag,
    text: 'true in a process that answers reads and handles no events: nothing is registered, so nothing waits for `start`',
  },
}

export type ReadsOf<C extends Collections> = { readonly [Name in keyof C]: Reads<DocumentOf<C[Name]>> }

/** The projections of an instance. */
export interface Projections {
  /** Their tables, for `migrate`. */
  readonly feature: Feature
  /** Makes their tables and the first collections, where they are missing. Safe to call in every process at every start. */
  migrate(): Promise<void>
  /** Returns what readers see of a projection's collections. */
  of<C extends Collections>(projection: Projection<C>): ReadsOf<C>
  /** Fills a second set of collections from the journal, and changes over to it. @throws CorebusError REBUILD_RUNS, REBUILD_LOST, REBUILD_FAILED */
  rebuild(name: string, options?: RebuildOptions): Promise<Rebuilt>
}

/**
 * Runs projections: each of their events is handled in a session of the instance, in which it is also written into the journal. Call it before `start`;
 * a process that only reads calls it with `readOnly`.
 * @throws CorebusError OPTION, SQL_DATABASE, PROJECTION; STARTED
 * @example
 * export const views = projections(messaging, [orders])
 * const page = await views.of(orders).orders.find({ where: { user_id: 1 }, sort: '-created_at' })
 */
export function projections<Db>(
  messaging: Messaging<{ db: Db }>,
  all: readonly Projection[],
  options: ProjectionsOptions = {},
): Projections {
  checkOptions('projections', options, PROJECTIONS)
  const { table = 'projections', readOnly = false } = options
  const database = databaseFor('projections', options.database, givenTo(messaging).session)
  checkAll(all, readOnly ? [] : workingsOf(messaging))
  const tables = tablesOf(table)
  const store = options.documents ?? sqlDocuments(database)
  const feature = projectionsFeature(table)
  const generations = new Generations(database.dialect, tables)
  const workings: Workings = {
    database,
    store,
    generations,
    journal: journal(database.dialect, tables),
    barrier: barrier(database.dialect, tables),
    leases: sqlLeases({ database, table: tables.leases }),
    all,
    feature,
    messaging: messaging as unknown as Messaging,
    ...made((projection) => make(projection, { database, store, generations })),
  }
  if (!readOnly) register(messaging, workings)
  return {
    feature,
    async migrate() {
      await migrate(database, [feature])
      for (const projection of all) await workings.ensure(projection)
    },
    of: (projection) => readsOfProjection(named(all, projection.name), workings) as never, // made by the names of its collections
    rebuild: (name, rebuilding = {}) => rebuild(named(all, name), workings, rebuilding),
  }
}

function register<Db>(messaging: Messaging<{ db: Db }>, workings: Workings): void {
  keepWorkings(messaging, workings)
  for (const projection of workings.all)
    for (const type of projection.events)
      messaging.on(type, { ...projection.on, group: projection.group, session: 'manual' }, handlerOf(projection, type, workings) as never) // of any data
}

/** @throws CorebusError PROJECTION for two of one name, or of which each would write the other's documents */
function checkAll(all: readonly Projection[], before: readonly Workings[]): void {
  if (!Array.isArray(all) || all.some((one) => typeof one?.handle !== 'function'))
    throw new CorebusError('PROJECTION', 'projections(messaging, [...]) needs an array of what projection() returns')
  const names = [...before.flatMap((one) => one.all), ...all]
  for (const what of [
    names.map(({ name }) => `projection ${name}`),
    names.flatMap(({ collections }) => Object.keys(collections).map((name) => `collection ${name}`)),
  ]) {
    const twice = what.find((one, n) => what.indexOf(one) !== n)
    if (twice !== undefined) throw new CorebusError('PROJECTION', `there are two of ${twice}: give one of them another name`)
  }
}

/** Makes the collections that are missing. It is not in the handler's transaction: making a table ends that on some databases. */
async function make(
  projection: Projection,
  { database, store, generations }: Pick<Workings, 'database' | 'store' | 'generations'>,
): Promise<void> {
  const { name, version } = projection
  const wanted = shapesOf(projection)
  const active = await database.read((tx) => generations.active(tx, name))
  const number = active?.number ?? 1
  const places = Object.entries(placesOf(wanted, number)).filter(([collection]) => !active?.places[collection])
  for (const [, place] of places) await store.create(place)
  if (!active) return database.transaction((tx) => generations.first(tx, name, version, wanted))
  if (places.length === 0) return
  const shapes = Object.fromEntries([...Object.entries(active.places), ...places].map(([collection, { shape }]) => [collection, shape]))
  await database.transaction((tx) => generations.add(tx, name, active, shapes))
}

/** The same call for all who ask. One that failed, or that was taken back, is made again. */
function made(work: (projection: Projection) => Promise<void>): Pick<Workings, 'ensure' | 'isGone'> {
  const done = new Map<string, Promise<void>>()
  return {
    ensure(projection) {
      const known = done.get(projection.name)
      if (known) return known
      const making = work(projection)
      done.set(projection.name, making)
      making.catch(() => done.delete(projection.name))
      return making
    },
    isGone: ({ name }) => void done.delete(name),
  }
}
