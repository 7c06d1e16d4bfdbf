import { CorebusError } from '@corebus/core'
import { checkOptions, must, type Option, text } from '@corebus/core/internal'
import { type RawBuilder, sql } from 'kysely'
import { builder } from '../database/statements.ts'
import { tableOption } from '../database/table.ts'
import { readerOf, txOf } from '../tx/begun.ts'
import { type Refusal, refusalOf } from '../tx/database-errors.ts'
import { DIALECTS, type Dialect, type SqlRow, type SqlTx, type SqlValue } from '../tx/sql-tx.ts'
import { type ColumnRules, type KindOf, rulesOf } from './columns.ts'
import { type Compared, conditions, ordered, type PageQuery } from './page.ts'

export type ColumnsOf<Row extends object> = { readonly [Name in keyof Row & string]: KindOf<Row[Name]> }

export interface SqlRepositoryOptions<Row extends object, Hidden extends object = object> {
  readonly table: string
  /** The column of the primary key. Default `id`. */
  readonly key?: keyof Row & string
  /** The columns of a row, each with its kind. Other columns of the table are not read. */
  readonly columns: ColumnsOf<Row>
  /** Columns that are written and never read, such as the hash of a password. */
  readonly writeOnly?: ColumnsOf<Hidden>
  /** The database, where the library of the session does not say it (Prisma, in a session of your own). */
  readonly dialect?: Dialect
}

const columnsOption = (fallback: string, what: string): Option => ({
  default: fallback,
  must: must('an object of the columns, each with its kind', (value) => typeof value === 'object' && value !== null),
  text: what,
})

export const SQL_REPOSITORY: Readonly<Record<keyof SqlRepositoryOptions<object>, Option>> = {
  table: { ...tableOption(''), default: '', text: 'the name of the table. `app.users` is one in the schema `app`' },
  key: { default: '`id`', must: text, text: 'the column of the primary key' },
  columns: columnsOption(
    '',
    'the columns of a row, each with its kind: `integer`, `bigint`, `number`, `text`, `boolean`, `time`, `uuid`, `json`, with a `?` behind it where it may be null',
  ),
  writeOnly: columnsOption('none', 'columns that are written and never read'),
  dialect: {
    default: 'what the session says',
    must: must('postgres, mysql or sqlite', (value) => DIALECTS.includes(value as Dialect)),
    text: 'the database, where the library of the session does not say it',
  },
}

/** The rows of one table in whatever session is open: what a `ModelViewSet` of @corebus/hono takes as its `repository`. */
export interface SqlRepository<Row extends object, New extends object = Partial<Row>> {
  readonly key: string
  readonly columns: Readonly<Record<string, Pick<ColumnRules, 'parse'>>>
  list(db: unknown, query: PageQuery): Promise<readonly Row[]>
  find(db: unknown, id: string | number): Promise<Row | undefined>
  insert(db: unknown, data: New): Promise<Row>
  update(db: unknown, id: string | number, changes: Partial<New>): Promise<Row | undefined>
  remove(db: unknown, id: string | number): Promise<Row | undefined>
  refusal(error: unknown): Refusal | undefined
}

/**
 * A table for ViewSets, over any session of @corebus/sql and any transaction that `adapt` knows: node:sqlite, Kysely, Drizzle, pg and all others alike. The
 * names of its columns come from here alone, and values are always parameters.
 * @throws CorebusError OPTION; a call what `adapt` throws, what the database says, COLUMN for data with a column that was not named here
 * @example
 * interface User { id: number; email: string }
 * export const users = sqlRepository<User>({ table: 'users', columns: { id: 'integer', email: 'text' } })
 */
export function sqlRepository<Row extends object, Hidden extends object = object>(
  options: SqlRepositoryOptions<Row, Hidden>,
): SqlRepository<Row, Partial<Row & Hidden>> {
  checkOptions('sqlRepository', options, SQL_REPOSITORY)
  const { table, key = 'id', dialect } = options
  if (!Object.hasOwn(options.columns, key))
    throw new CorebusError('OPTION', `sqlRepository: the key ${key} of ${table} is not among its columns`)
  const rows = rowsOf({ ...options, key })
  const keyRules = rows.rules(key)
  const withId = async <T>(id: string | number, work: (id: unknown) => Promise<T>): Promise<T | undefined> => {
    const value = keyRules.parse(String(id))
    return value === undefined ? undefined : work(value)
  }
  const repository: SqlRepository<object, object> = {
    key,
    columns: Object.fromEntries(Object.entries(rows.read).filter(([name]) => isCompared(options.columns, name))),
    list: async (db, query) => listed(readerOf(db, dialect), rows, query),
    find: (db, id) => withId(id, (value) => one(readerOf(db, dialect), rows, value)),
    insert: async (db, data) => inserted(txOf(db, dialect), rows, data),
    update: (db, id, changes) => withId(id, (value) => updated(txOf(db, dialect), rows, { id: value, changes })),
    remove: (db, id) => withId(id, (value) => removed(txOf(db, dialect), rows, value)),
    refusal: refusalOf,
  }
  return repository as SqlRepository<Row, Partial<Row & Hidden>> // each row has the columns that were named, of the kinds that fit
}

/** A table, and what is known of its columns. */
interface Rows {
  readonly table: string
  readonly key: string
  readonly read: Readonly<Record<string, ColumnRules>>
  rules(column: string): ColumnRules
}

const COLUMN = /^[A-Za-z_]\w{0,62}$/

function rowsOf({ table, key, columns, writeOnly = {} }: { table: string; key: string; columns: object; writeOnly?: object }): Rows {
  const read = Object.fromEntries(Object.entries<string>(columns as Record<string, string>).map(([name, kind]) => [name, rulesOf(kind)]))
  const all = new Map([
    ...Object.entries(read),
    ...Object.entries<string>(writeOnly as Record<string, string>).map(([name, kind]) => [name, rulesOf(kind)] as const),
  ])
  const odd = [...all.keys()].filter((name) => !COLUMN.test(name))
  if (odd.length > 0)
    throw new CorebusError('OPTION', `sqlRepository: ${odd.join(', ')} is no name of a column of ${table}: letters, digits and _`)
  const rules = (column: string): ColumnRules => {
    const found = all.get(column)
    if (found) return found
    throw new CorebusError(
      'COLUMN',
      `${JSON.stringify(column)} is no column of ${table} here: name it in the columns of its sqlRepository, or leave it out of the data`,
    )
  }
  return { table, key, read, rules }
}

const isCompared = (columns: object, name: string): boolean => !String(Reflect.get(columns, name)).startsWith('json')

const comparedIn = ({ table, rules }: Rows, { dialect }: SqlTx): Compared => ({
  dialect,
  rules,
  ref: (column) => sql.ref(`${table}.${column}`),
})

/** Selects columns by number: libraries and plugins rename columns, and a column may be called like something that every object has. */
const selected = ({ read }: Rows, { dialect }: SqlTx): RawBuilder<unknown> =>
  sql.join(Object.entries(read).map(([name, rules], n) => sql`${rules.read(name, dialect)} AS ${sql.ref(`c${n}`)}`))

function rowIn({ read }: Rows, row: SqlRow | undefined): object | undefined {
  return row && Object.fromEntries(Object.entries(read).map(([name, rules], n) => [name, rules.from(row[`c${n}`])]))
}

function query(tx: SqlTx, statement: RawBuilder<unknown>): ReturnType<SqlTx['query']> {
  const { sql: text, parameters } = statement.compile(builder(tx.dialect))
  return tx.query(text, parameters as readonly SqlValue[]) // what the kinds of the columns have made of the values
}

async function listed(tx: SqlTx, rows: Rows, page: PageQuery): Promise<readonly object[]> {
  const compared = comparedIn(rows, tx)
  const all = conditions(page, compared)
  const where = all.length > 0 ? sql`WHERE ${sql.join(all, sql` AND `)}` : sql``
  const found = await query(
    tx,
    sql`SELECT ${selected(rows, tx)} FROM ${sql.table(rows.table)} ${where} ORDER BY ${ordered(page.order, compared)} LIMIT ${sql.lit(page.limit)}`,
  )
  return found.rows.map((row) => rowIn(rows, row) as object)
}

const isKey = (rows: Rows, { dialect }: SqlTx, id: unknown): RawBuilder<unknown> =>
  sql`${sql.ref(rows.key)} = ${rows.rules(rows.key).into(id, dialect)}`

async function one(tx: SqlTx, rows: Rows, id: unknown): Promise<object | undefined> {
  const found = await query(tx, sql`SELECT ${selected(rows, tx)} FROM ${sql.table(rows.table)} WHERE ${isKey(rows, tx, id)}`)
  return rowIn(rows, found.rows[0])
}

const given = (rows: Rows, data: object): readonly (readonly [name: string, value: unknown, rules: ColumnRules])[] =>
  Object.entries(data).flatMap(([name, value]) => (value === undefined ? [] : [[name, value, rows.rules(name)] as const]))

/** MySQL has no RETURNING: there the row is asked for, in the same transaction. */
const returning = (rows: Rows, tx: SqlTx): RawBuilder<unknown> => (tx.dialect === 'mysql' ? sql`` : sql` RETURNING ${selected(rows, tx)}`)

async function inserted(tx: SqlTx, rows: Rows, data: object): Promise<object> {
  const { dialect } = tx
  const values = given(rows, data)
  const columns = sql`(${sql.join(values.map(([name]) => sql.ref(name)))}) VALUES (${sql.join(values.map(([, value, { into }]) => into(value, dialect)))})`
  const what = values.length > 0 ? columns : dialect === 'mysql' ? sql`() VALUES ()` : sql`DEFAULT VALUES`
  const { rows: written } = await query(tx, sql`INSERT INTO ${sql.table(rows.table)} ${what}${returning(rows, tx)}`)
  if (dialect !== 'mysql') return rowIn(rows, written[0]) as object
  const id = values.find(([name]) => name === rows.key)?.[1] ?? (await tx.query('SELECT LAST_INSERT_ID() AS id')).rows[0]?.id
  const row = await one(tx, rows, id)
  if (row) return row
  throw new CorebusError(
    'COLUMN',
    `the key ${rows.key} of a row that was inserted into ${rows.table} is not known: MySQL says only an AUTO_INCREMENT. Give the key with the data`,
  )
}

async function updated(tx: SqlTx, rows: Rows, { id, changes }: { id: unknown; changes: object }): Promise<object | undefined> {
  const values = given(rows, changes)
  if (values.length === 0) return one(tx, rows, id)
  const set = sql.join(values.map(([name, value, { into }]) => sql`${sql.ref(name)} = ${into(value, tx.dialect)}`))
  const done = await query(tx, sql`UPDATE ${sql.table(rows.table)} SET ${set} WHERE ${isKey(rows, tx, id)}${returning(rows, tx)}`)
  // MySQL counts no row that was so already: whether it is there, is asked.
  return tx.dialect === 'mysql' ? one(tx, rows, values.find(([name]) => name === rows.key)?.[1] ?? id) : rowIn(rows, done.rows[0])
}

async function removed(tx: SqlTx, rows: Rows, id: unknown): Promise<object | undefined> {
  const before = tx.dialect === 'mysql' ? await one(tx, rows, id) : undefined
  const done = await query(tx, sql`DELETE FROM ${sql.table(rows.table)} WHERE ${isKey(rows, tx, id)}${returning(rows, tx)}`)
  return tx.dialect === 'mysql' ? (done.affected > 0 ? before : undefined) : rowIn(rows, done.rows[0])
}
