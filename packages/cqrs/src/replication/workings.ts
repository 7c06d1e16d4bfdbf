import { CorebusError, type EventType, type HandlerContext, type Messaging } from '@corebus/core'
import type { Feature, SqlDatabase, SqlTx } from '@corebus/sql'
import { isMissingTable } from '@corebus/sql/internal'
import type { Accepted } from './accepted.ts'
import type { RowChange } from './change.ts'
import type { Master } from './master.ts'
import type { Replica } from './replica.ts'
import type { ReplicaTable } from './replica-table.ts'
import type { Revisions } from './revisions.ts'
import type { RowTable } from './rows.ts'
import type { Tables } from './tables.ts'

/** The things that masters and replicas of one instance have in common. */
export interface Place {
  readonly messaging: Messaging
  readonly database: SqlDatabase
  readonly tables: Tables
  readonly feature: Feature
}

/** A master at work. */
export interface BoundMaster extends Place {
  readonly master: Master
  readonly type: EventType<string, RowChange>
  readonly revisions: Revisions
  /** Its table as the database describes it, asked for once: in the transaction, since on SQLite another one would wait for its end. @throws CorebusError REPLICATION */
  table(tx: SqlTx): Promise<RowTable>
}

/** A replica at work. */
export interface BoundReplica extends Place {
  readonly replica: Replica
  readonly accepted: Accepted
  /** Undefined where its hooks keep the rows. @throws CorebusError REPLICATION */
  table(tx: SqlTx): Promise<ReplicaTable | undefined>
  /** Says once which fields of the master the replica leaves out. */
  compare(change: RowChange, context: Pick<HandlerContext, 'logger'>): void
}

/** All of one call of `replication`. */
export interface Workings extends Place {
  readonly masters: readonly BoundMaster[]
  readonly replicas: readonly BoundReplica[]
}

const KEPT = Symbol.for('corebus.cqrs.replication')

/** Keeps them with their instance. */
export function keepWorkings(messaging: object, workings: Workings): void {
  Object.defineProperty(messaging, KEPT, { value: [...workingsOf(messaging), workings], configurable: true })
}

/** The masters and replicas of an instance, for commands: they and the service may have a copy of this package each. */
export function workingsOf(messaging: object): readonly Workings[] {
  return (messaging as { readonly [KEPT]?: readonly Workings[] })[KEPT] ?? []
}

/** The error, or what to do where it says that the tables of replication are not there. */
export function orMissing<E>(thrown: E, { feature, database, tables }: Pick<Place, 'feature' | 'database' | 'tables'>): E | CorebusError {
  if (!isMissingTable(thrown) || !Object.values(tables).some((table) => String(thrown).includes(table.split('.').at(-1) ?? table)))
    return thrown
  return new CorebusError(
    'SCHEMA',
    `the tables of ${feature.name} are not in ${database.where}: call migrate() of what replication() returned, or run \`npx corebus cqrs migrate\`, once`,
    { cause: thrown },
  )
}
