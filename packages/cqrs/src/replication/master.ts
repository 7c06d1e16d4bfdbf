import { CorebusError } from '@corebus/core'
import { callable, checkOptions, must, type Option, text, texts } from '@corebus/core/internal'
import type { SqlTx } from '@corebus/sql'
import { tableOption } from '@corebus/sql/internal'
import { type OnClass, onClasses } from './decorated.ts'
import type { Row } from './rows.ts'

export interface MasterOptions {
  readonly table: string
  /** The column that identifies a row: an integer, a text or a uuid. It must not change. */
  readonly key: string
  /** The columns that travel. Default: all that are neither generated nor bytes. */
  readonly fields?: readonly string[]
  /** Fields whose values before a change travel with it, where it has altered them. */
  readonly tracked?: readonly string[]
  /** The topic of its changes. Default: the id of the master. */
  readonly topic?: string
  /** Rows for which it is true are not replicated; one that becomes so is deleted from replicas. */
  readonly skip?: (row: Row) => boolean
  /** Makes what travels of a row, instead of its fields. It may read more in the same transaction. */
  readonly serialize?: (row: Row, tx: SqlTx) => Row | Promise<Row>
  /** Goes with each change: who made it, say. */
  readonly meta?: (change: { readonly key: string; readonly revision: number }) => unknown
}

/** A table whose rows others have replicas of, made by `master`. */
export interface Master extends Readonly<Required<Pick<MasterOptions, 'table' | 'key' | 'topic' | 'tracked'>>> {
  readonly kind: 'master'
  readonly id: string
  readonly fields: readonly string[] | undefined
  readonly skip: MasterOptions['skip']
  readonly serialize: MasterOptions['serialize']
  readonly meta: MasterOptions['meta']
}

const ID = /^[A-Za-z_][A-Za-z0-9_.-]{0,47}$/

/** @throws CorebusError REPLICATION */
export function checkId(id: unknown, what: string): void {
  if (typeof id === 'string' && ID.test(id)) return
  throw new CorebusError(
    'REPLICATION',
    `${what} is named ${JSON.stringify(id)}: use at most 48 letters, digits, _, - and dots, with a letter first`,
  )
}

const names = must(
  'an array of names of columns',
  (value) => Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string'),
)

export const MASTER: Readonly<Record<keyof MasterOptions, Option>> = {
  table: {
    ...tableOption(''),
    default: 'none: it must be given',
    text: 'the name of the table. `app.produtos` is one in the schema `app`',
  },
  key: {
    default: 'none: it must be given',
    must: text,
    text: 'the column that identifies a row: an integer, a text or a uuid. It must not change',
  },
  fields: { default: 'all columns that are neither generated nor bytes', must: names, text: 'the columns that travel' },
  tracked: {
    default: 'none',
    must: texts,
    text: 'fields whose values before a change travel with it as `previous`, where it has altered them',
  },
  topic: { default: "the master's id", must: text, text: 'where its changes travel' },
  skip: {
    default: 'none',
    must: callable,
    text: '`(row) => boolean`: rows for which it is true are not replicated. One that becomes so is deleted from replicas',
  },
  serialize: {
    default: 'the fields as they are',
    must: callable,
    text: '`(row, tx) => object`: makes what travels of a row. It may read more with `tx`, in the same transaction',
  },
  meta: { default: 'none', must: callable, text: '`({ key, revision }) => value`: goes with each change' },
}

/**
 * Describes a table whose rows others have replicas of. `replication(messaging, [...])` runs it. As a decorator it is on a class, which stands for it then.
 * @throws CorebusError OPTION, REPLICATION
 * @example
 * export const Produto = master('produto', { table: 'produtos', key: 'sku', fields: ['sku', 'nome', 'preco', 'estoque'] })
 */
export function master(id: string, options: MasterOptions): Master & OnClass {
  checkId(id, 'a master')
  checkOptions(`master ${id}`, options, MASTER)
  const { table, key, fields, tracked = [], topic = id, skip, serialize, meta } = options
  if (!table) throw new CorebusError('REPLICATION', `master ${id} needs the name of its table`)
  if (!key) throw new CorebusError('REPLICATION', `master ${id} has no key: name the column that identifies a row`)
  const missing = fields && tracked.find((field) => !fields.includes(field))
  if (missing !== undefined) throw new CorebusError('REPLICATION', `master ${id} tracks ${missing}, which is none of its fields`)
  return onClasses<Master>({ kind: 'master', id, table, key, fields, tracked, topic, skip, serialize, meta }, `master ${id}`)
}
