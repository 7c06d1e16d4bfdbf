import { CorebusError, type Messaging } from '@corebus/core'
import type { Feature, SqlDatabase, SqlLeases } from '@corebus/sql'
import { isMissingTable } from '@corebus/sql/internal'
import type { DocumentStore } from '../documents/store.ts'
import type { Barrier } from './barrier.ts'
import type { Generations, Shapes } from './generations.ts'
import type { Journal } from './journal.ts'
import type { Projection } from './projection.ts'

/** The parts that projections work with. */
export interface Workings {
  readonly database: SqlDatabase
  readonly store: DocumentStore
  readonly generations: Generations
  readonly journal: Journal
  readonly barrier: Barrier
  readonly leases: SqlLeases
  readonly all: readonly Projection[]
  readonly feature: Feature
  readonly messaging: Messaging
  /** Makes the collections of a projection that are missing; once in this process. */
  ensure(projection: Projection): Promise<void>
  /** They are not there any more: somebody has dropped the projection. */
  isGone(projection: Projection): void
}

const KEPT = Symbol.for('corebus.cqrs.projections')

/** Keeps them with their instance. */
export function keepWorkings(messaging: object, workings: Workings): void {
  Object.defineProperty(messaging, KEPT, { value: [...workingsOf(messaging), workings], configurable: true })
}

/** The projections of an instance, for commands: they and the service may have a copy of this package each. */
export function workingsOf(messaging: object): readonly Workings[] {
  return (messaging as { readonly [KEPT]?: readonly Workings[] })[KEPT] ?? []
}

/** @throws CorebusError PROJECTION for one that is not there */
export function named(all: readonly Projection[], name: string): Projection {
  const found = all.find((one) => one.name === name)
  if (found) return found
  const there = all.length === 0 ? 'there is none' : `there are ${all.map((one) => one.name).join(', ')}`
  throw new CorebusError('PROJECTION', `no projection ${name} was given to projections(): ${there}`)
}

export const shapesOf = ({ collections }: Projection): Shapes =>
  Object.fromEntries(Object.entries(collections).map(([name, { shape }]) => [name, shape]))

/** The error, or what to do where it says that the tables of projections are not there. */
export function orMissing<E>(thrown: E, { feature, database }: Pick<Workings, 'feature' | 'database'>): E | CorebusError {
  if (!isMissingTable(thrown)) return thrown
  return new CorebusError(
    'SCHEMA',
    `the tables of ${feature.name} are not in ${database.where}: call migrate() of what projections() returned, or run \`npx corebus projections migrate\`, once`,
    { cause: thrown },
  )
}
