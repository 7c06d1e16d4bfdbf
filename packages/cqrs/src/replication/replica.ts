import { CorebusError, type FunctionOptions, type HandlerContext, type OnEventOptions } from '@corebus/core'
import { callable, checkOptions, FUNCTION, must, ON_EVENT, type Option, type Options, text } from '@corebus/core/internal'
import { tableOption } from '@corebus/sql/internal'
import type { RowChange } from './change.ts'
import { type OnClass, onClasses } from './decorated.ts'
import { checkId } from './master.ts'

/** The fate of the row. */
export type Applied = 'created' | 'updated' | 'deleted' | 'absent'

/** The context that a replica's hooks get beside a change. */
export interface ReplicaContext<Db = unknown> extends Pick<HandlerContext, 'logger' | 'signal' | 'id' | 'headers'> {
  /** The open session. What is written in it commits with the replica's row. */
  readonly db: Db
  /** Writes or deletes the row as the map says. A replica without a table answers undefined. */
  next(): Promise<Applied | undefined>
}

export interface ReplicaOptions<Db = unknown> extends Omit<OnEventOptions & FunctionOptions, 'session' | 'inbox' | 'inboxKey' | 'topic'> {
  /** The table of the rows. A replica without one keeps them by its hook. */
  readonly table?: string
  /** Columns of the replica by fields of the master. Needed with a table. */
  readonly map?: Readonly<Record<string, string>>
  /** The column that identifies a row. Default: the table's primary key. */
  readonly key?: string
  /** Columns of the row that hold its revision and when the master changed it. */
  readonly columns?: { readonly revision?: string; readonly updated?: string }
  /** The name that commands and tables know it by. Default: its table, else the master's id. */
  readonly name?: string
  /** The topic of the master, where that is not the master's id. */
  readonly topic?: string
  /** Stands in the place of the statement on the table, in its transaction; `next()` runs that. Only for changes that are taken. */
  readonly apply?: (change: RowChange, context: ReplicaContext<Db>) => unknown
  /** Called after the commit of a change that was taken. What it throws is logged: the change has happened. */
  readonly applied?: (change: RowChange) => unknown
}

/** A table that follows a master, made by `replica`. */
export interface Replica {
  readonly kind: 'replica'
  /** The master's. */
  readonly id: string
  readonly name: string
  readonly topic: string
  readonly table: string | undefined
  readonly map: Readonly<Record<string, string>>
  readonly key: string | undefined
  readonly columns: { readonly revision?: string; readonly updated?: string }
  readonly apply: ReplicaOptions<never>['apply']
  readonly applied: ReplicaOptions['applied']
  /** Options of its handler. */
  readonly on: OnEventOptions & FunctionOptions
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value)
const hasTexts = (value: unknown): boolean => isObject(value) && Object.values(value).every((one) => typeof one === 'string' && one !== '')

type Own = 'table' | 'map' | 'key' | 'columns' | 'name' | 'topic' | 'apply' | 'applied'

export const REPLICA: Readonly<Record<Own, Option>> = {
  table: { ...tableOption(''), default: 'none: `apply` keeps the rows', text: 'the table of the rows' },
  map: {
    default: 'none: it is needed with a table',
    must: must('an object of columns by fields of the master', hasTexts),
    text: '`{ sku: "sku", nome: "name" }`: columns of the replica by fields of the master. Fields that it does not name are left out, and listed once',
  },
  key: { default: "the table's primary key", must: text, text: 'the column that identifies a row. `map` must name it' },
  columns: {
    default: 'none',
    must: must(
      'an object with revision, updated or both, which are names of columns',
      (value) => hasTexts(value) && Object.keys(value as object).every((name) => name === 'revision' || name === 'updated'),
    ),
    text: '`{ revision: "cqrs_revision", updated: "cqrs_updated" }`: columns of the row that hold its revision and when the master changed it',
  },
  name: { default: "its table, else the master's id", must: text, text: 'what commands know it by' },
  topic: { default: "the master's id", must: text, text: 'the topic of the master' },
  apply: {
    default: 'none',
    must: callable,
    text: '`(change, { db, next, logger, signal, id, headers }) => ...`: stands in the place of the statement on the table, in its transaction; `next()` runs that',
  },
  applied: {
    default: 'none',
    must: callable,
    text: '`(change) => ...`: called after the commit, for what is beside the database, such as a cache. What it throws is logged',
  },
}

/** It stands in a session of its own, and the revision does the work of the inbox. */
const { session: _, inbox: __, inboxKey: ___, ...HANDLER } = ON_EVENT
const OPTIONS: Options = { ...FUNCTION, ...HANDLER, ...REPLICA }

/**
 * Describes a table that follows a master. `replication(messaging, [...])` runs it: each change is applied in a session of the instance, unless the replica
 * knows a later one. Beside its own options it takes those of a handler: `group`, `concurrency`, `maxRetries`, `retryIf`, `backoff`, `deadLetter`.
 * @throws CorebusError OPTION, REPLICATION
 * @example
 * export const mirror = replica('produto', { table: 'produto_mirror', map: { sku: 'sku', nome: 'nome', preco: 'preco' }, maxRetries: 3 })
 */
export function replica<Db = unknown>(id: string, options: ReplicaOptions<Db>): Replica & OnClass {
  checkId(id, 'a replica')
  checkOptions(`replica ${id}`, options, OPTIONS)
  const { table, map = {}, key, columns = {}, name = table ?? id, topic = id, apply, applied, ...on } = options
  checkId(name, `a replica of ${id}`)
  const wrong = (why: string) => new CorebusError('REPLICATION', `replica ${name} of ${id} ${why}`)
  if (table === undefined && !apply) throw wrong('needs a table and its map, or apply, which keeps the rows elsewhere')
  if (table !== undefined && Object.keys(map).length === 0) throw wrong('needs a map: { field: column }')
  const targets = [...Object.values(map), columns.revision, columns.updated].filter((one) => one !== undefined)
  const twice = targets.find((one, n) => targets.indexOf(one) !== n)
  if (twice !== undefined) throw wrong(`writes the column ${twice} twice`)
  const given = { kind: 'replica', id, name, topic, table, map, key, columns, apply: apply as Replica['apply'], applied, on } as const
  return onClasses<Replica>(given, `replica ${name}`)
}
