import { type Class, CorebusError, type Messaging } from '@corebus/core'
import { checkOptions, givenTo, type Option } from '@corebus/core/internal'
import { type DatabaseLike, type Feature, migrate, type SqlTx } from '@corebus/sql'
import { DATABASE, databaseFor, tableOption, txOf } from '@corebus/sql/internal'
import { Accepted } from './accepted.ts'
import { applying } from './apply.ts'
import { changeType, type RowChange } from './change.ts'
import { checkTables } from './check.ts'
import { definitionOf } from './decorated.ts'
import { type Key, keyText } from './keys.ts'
import type { Master } from './master.ts'
import { masterTable } from './master-table.ts'
import { sayPublished } from './published-lines.ts'
import type { Replica } from './replica.ts'
import { replicaTable } from './replica-table.ts'
import { Revisions } from './revisions.ts'
import { replicationFeature, tablesOf } from './tables.ts'
import { type Keys, type TrackOptions, trackChanges } from './track.ts'
import { type BoundMaster, type BoundReplica, keepWorkings, orMissing, type Place, type Workings, workingsOf } from './workings.ts'

export interface ReplicationOptions {
  /** The database of the rows and their revisions. Default: the database of the instance's `session`. */
  readonly database?: DatabaseLike
  /** The beginning of the names of its own tables. Default `cqrs`. */
  readonly table?: string
}

export const REPLICATION: Readonly<Record<keyof ReplicationOptions, Option>> = {
  database: { ...DATABASE, text: `where the rows and their revisions are: ${DATABASE.text}` },
  table: { ...tableOption('cqrs'), text: 'what the names of its tables begin with: `cqrs_masters`, `cqrs_replicas`, `cqrs_progress`' },
}

/** The masters and replicas of an instance. */
export interface Replication {
  /** Their tables, for `migrate` and `ddl` of @corebus/sql. */
  readonly feature: Feature
  /** Makes their tables where they are missing. Safe to call in every process at every start. */
  migrate(): Promise<void>
  /** Checks masters and replicas against their tables, which `start` does by itself. @throws CorebusError REPLICATION, MASTER_FIELD, SCHEMA */
  check(): Promise<void>
  /**
   * Runs `work`, which changes the rows of these keys in the transaction, and records what it left of them into the outbox, with their next revisions: a
   * whole row each, or its delete. Keys that the database gives are a function of what `work` returned. Resolves with that.
   * @throws CorebusError REPLICATION_KEY, MASTER_FIELD, SCHEMA, and what `publishEvent` throws
   */
  track<T>(
    tx: unknown,
    master: Master | Class,
    keys: Keys | ((result: T) => Keys),
    work: () => T | Promise<T>,
    options?: TrackOptions,
  ): Promise<T>
  /** The revision of a row, of a master or a replica. Undefined for one that it does not have. */
  revisionOf(
    tx: unknown,
    of: Master | Replica | Class,
    key: Key,
  ): Promise<{ readonly revision: number; readonly updatedAt: Date } | undefined>
}

/**
 * Runs masters and replicas: call it before `start`. A master needs an outbox, a replica is a handler of its master's topic.
 * @throws CorebusError OPTION, SQL_DATABASE, OUTBOX_MISSING, REPLICATION; STARTED
 * @example
 * export const { track, revisionOf } = replication(messaging, [Produto])
 * await db.transaction().execute((tx) => track(tx, Produto, 12345, () => tx.updateTable('produtos').set({ preco: '3500.00' }).where('sku', '=', 12345).execute()))
 */
export function replication<Db>(
  messaging: Messaging<{ db: Db }>,
  all: readonly (Master | Replica | Class)[],
  options: ReplicationOptions = {},
): Replication {
  checkOptions('replication', options, REPLICATION)
  const { table = 'cqrs' } = options
  const given = givenTo(messaging)
  const database = databaseFor('replication', options.database, given.session)
  const before = workingsOf(messaging)
  const [masters, replicas] = checkedAll(all, before)
  refuseNeighbours([...before.flatMap((one) => one.replicas.map((bound) => bound.replica)), ...replicas], messaging.settings.service)
  if (masters.length > 0 && !given.outbox)
    throw new CorebusError(
      'OUTBOX_MISSING',
      `master ${masters[0]?.id} records its changes into an outbox, and none is configured: give the instance one (outbox: sqlOutbox())`,
    )
  const tables = tablesOf(table)
  const feature = replicationFeature(table)
  const place: Place = { messaging: messaging as unknown as Messaging, database, tables, feature }
  const workings: Workings = {
    ...place,
    masters: masters.map((master) => boundMaster(master, place)),
    replicas: replicas.map((replica) => boundReplica(replica, place)),
  }
  keepWorkings(messaging, workings)
  for (const bound of workings.replicas) {
    const { id, topic, on } = bound.replica
    messaging.on(changeType(id, topic), { ...on, session: 'manual', inbox: false }, applying(bound) as never) // of any data
  }
  const check = () => checkTables(workings)
  const end = sayPublished(messaging, masters)
  given.attach?.('replication', { begin: () => undefined, check, close: async () => end() })
  return {
    feature,
    migrate: () => migrate(database, [feature]),
    check,
    async track(tx, given, keys, work, trackOptions) {
      const master = definitionOf<Master>(given)
      const bound = found(
        workings.masters,
        (one) => one.master === master,
        master?.id === undefined ? 'what track was given' : `master ${master.id}`,
      )
      try {
        return await trackChanges(bound, { db: tx, tx: txOf(tx, database.dialect) }, keys, work, trackOptions)
      } catch (thrown) {
        throw orMissing(thrown, place)
      }
    },
    async revisionOf(tx, given, key) {
      const of = definitionOf<Master | Replica>(given)
      const known = await revisionIn(workings, of)(txOf(tx, database.dialect), keyText(key, `revisionOf ${of.id}`))
      return known && !known.gone ? { revision: known.revision, updatedAt: new Date(known.at) } : undefined
    },
  }
}

function revisionIn(workings: Workings, of: Master | Replica) {
  if (of.kind === 'master') {
    const { revisions } = found(workings.masters, ({ master }) => master === of, `master ${of.id}`)
    return (tx: SqlTx, key: string) => revisions.get(tx, of.id, key)
  }
  const { accepted } = found(workings.replicas, ({ replica }) => replica === of, `replica ${of.name}`)
  return (tx: SqlTx, key: string) => accepted.get(tx, of.name, key)
}

function found<T>(all: readonly T[], is: (one: T) => boolean, what: string): T {
  const one = all.find(is)
  if (one) return one
  throw new CorebusError('REPLICATION', `${what} was not given to this replication(messaging, [...])`)
}

/** @throws CorebusError REPLICATION for two masters of one id, or two replicas of one name: each would take the other's revisions for its own */
function checkedAll(given: readonly (Master | Replica | Class)[], before: readonly Workings[]): [readonly Master[], readonly Replica[]] {
  const all = Array.isArray(given) ? given.map((one: Class) => definitionOf<Master | Replica>(one)) : undefined
  if (!all || all.some((one) => one?.kind !== 'master' && one?.kind !== 'replica'))
    throw new CorebusError('REPLICATION', 'replication(messaging, [...]) needs an array of what master() and replica() return')
  const masters = all.filter((one) => one.kind === 'master')
  const replicas = all.filter((one) => one.kind === 'replica')
  const names = [
    ...before.flatMap((one) => [
      ...one.masters.map(({ master }) => `masters ${master.id}`),
      ...one.replicas.map(({ replica }) => `replicas ${replica.name}`),
    ]),
    ...masters.map(({ id }) => `masters ${id}`),
    ...replicas.map(({ name }) => `replicas ${name}`),
  ]
  const twice = names.find((one, n) => names.indexOf(one) !== n)
  if (twice === undefined) return [masters, replicas]
  const hint = twice.startsWith('masters') ? 'another id' : 'a name of its own: replica(id, { name })'
  throw new CorebusError('REPLICATION', `there are two ${twice}: give one of them ${hint}`)
}

/** @throws CorebusError REPLICATION for two replicas of one master in one group, in which each change has one handler */
function refuseNeighbours(replicas: readonly Replica[], service: string): void {
  const places = new Map<string, Replica>()
  for (const one of replicas) {
    const { id, topic, name, on } = one
    const group = on.group ?? service
    const place = JSON.stringify([id, topic, group])
    const other = places.get(place)
    if (other)
      throw new CorebusError(
        'REPLICATION',
        `the replicas ${other.name} and ${name} of ${id} are both in the group ${group}, in which each change has one handler: give one of them a group of its own: replica(id, { group })`,
      )
    places.set(place, one)
  }
}

function boundMaster(master: Master, place: Place): BoundMaster {
  const table = once((tx: SqlTx) => masterTable(tx, master))
  return { ...place, master, type: changeType(master.id, master.topic), revisions: new Revisions(place.tables), table }
}

function boundReplica(replica: Replica, place: Place): BoundReplica {
  const table = once((tx: SqlTx) => replicaTable(tx, replica))
  let isCompared = false
  return {
    ...place,
    replica,
    accepted: new Accepted(place.tables),
    table,
    compare(change: RowChange, { logger }) {
      if (isCompared || change.row === null || replica.table === undefined) return
      isCompared = true
      const left = Object.keys(change.row).filter((field) => !Object.hasOwn(replica.map, field))
      if (left.length > 0)
        logger.info({ replica: replica.name, fields: left }, `replica ${replica.name} of ${replica.id} leaves out ${left.join(', ')}`)
    },
  }
}

/** The same answer for all who ask; one that failed is asked for again. */
function once<T>(work: (tx: SqlTx) => Promise<T>): (tx: SqlTx) => Promise<T> {
  let known: Promise<T> | undefined
  return (tx) => {
    if (known) return known
    const asked = work(tx)
    known = asked
    asked.catch(() => {
      known = undefined
    })
    return asked
  }
}
