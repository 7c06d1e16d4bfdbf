import { CorebusError } from '@corebus/core'
import type { Dialect, SqlRow, SqlTx } from '@corebus/sql'
import { sql } from 'kysely'
import { run } from './statement.ts'

/** The kind of what a column holds. `time` is in UTC, `localtime` is without a zone; `bytes` do not travel. */
export type ColumnKind = 'integer' | 'decimal' | 'number' | 'boolean' | 'text' | 'uuid' | 'time' | 'localtime' | 'date' | 'json' | 'bytes'

/** A column, as its database describes it. */
export interface TableColumn {
  readonly name: string
  /** Its type, as the database calls it. */
  readonly type: string
  readonly kind: ColumnKind
  /** The decimal places, where its type says them. */
  readonly scale: number | undefined
  readonly nullable: boolean
  /** It gets a value by itself when none is given. */
  readonly hasDefault: boolean
  /** The database computes it, and takes no value. */
  readonly generated: boolean
  readonly primary: boolean
}

/** The columns of a table, in its order; none where there is no such table. */
export async function columnsOf(tx: SqlTx, table: string): Promise<readonly TableColumn[]> {
  const { dialect } = tx
  const { rows } = await run(tx, DESCRIBE[dialect](table))
  const columns = rows.map((row) => columnOf(row, dialect))
  if (dialect !== 'mysql' || !columns.some(isLongText)) return columns
  const json = await jsonOfMariadb(tx, table)
  return columns.map((column) => (json.has(column.name) ? { ...column, kind: 'json' } : column))
}

const isLongText = ({ type }: TableColumn): boolean => type.toLowerCase().startsWith('longtext')

/** JSON of MariaDB is a longtext with a check, and only the statement that makes the table says so. */
async function jsonOfMariadb(tx: SqlTx, table: string): Promise<ReadonlySet<string>> {
  const { rows } = await run(tx, sql`SHOW CREATE TABLE ${sql.table(table)}`)
  const statement = Object.values(rows[0] ?? {}).join(' ')
  return new Set([...statement.matchAll(/CHECK \(json_valid\(`([^`]+)`\)\)/gi)].map(([, name = '']) => name))
}

/** The answers of each have the names that `columnOf` reads. */
const DESCRIBE: Readonly<Record<Dialect, (table: string) => ReturnType<typeof sql>>> = {
  postgres: (table) => sql`
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, CASE WHEN a.attnotnull THEN 1 ELSE 0 END AS required,
      CASE WHEN a.atthasdef OR a.attidentity <> '' THEN 1 ELSE 0 END AS given, CASE WHEN a.attgenerated <> '' THEN 1 ELSE 0 END AS made,
      CASE WHEN a.attnum = ANY (i.indkey) THEN 1 ELSE 0 END AS prime
    FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
    WHERE a.attrelid = to_regclass(${regclass(table)}) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
  mysql: (table) => {
    const [name = '', schema] = table.split('.').reverse()
    return sql`
    SELECT column_name AS name, column_type AS type, CASE WHEN is_nullable = 'NO' THEN 1 ELSE 0 END AS required,
      CASE WHEN column_default IS NOT NULL OR extra LIKE '%auto_increment%' THEN 1 ELSE 0 END AS given,
      CASE WHEN extra LIKE '%GENERATED%' AND extra NOT LIKE '%DEFAULT_GENERATED%' THEN 1 ELSE 0 END AS made,
      CASE WHEN column_key = 'PRI' THEN 1 ELSE 0 END AS prime
    FROM information_schema.columns
    WHERE table_schema = ${schema === undefined ? sql`DATABASE()` : sql`${schema}`} AND table_name = ${name} ORDER BY ordinal_position`
  },
  sqlite: (table) => {
    const [name = '', schema = 'main'] = table.split('.').reverse()
    return sql`
    SELECT name AS name, type AS type, CASE WHEN "notnull" = 1 OR pk > 0 THEN 1 ELSE 0 END AS required,
      CASE WHEN dflt_value IS NOT NULL OR (pk > 0 AND upper(type) = 'INTEGER') THEN 1 ELSE 0 END AS given,
      CASE WHEN hidden IN (2, 3) THEN 1 ELSE 0 END AS made, CASE WHEN pk > 0 THEN 1 ELSE 0 END AS prime
    FROM pragma_table_xinfo(${name}, ${schema}) ORDER BY cid`
  },
}

/** `to_regclass` reads a name as a statement does. */
const regclass = (table: string): string =>
  table
    .split('.')
    .map((name) => `"${name}"`)
    .join('.')

function columnOf(row: SqlRow, dialect: Dialect): TableColumn {
  const type = String(row.type)
  const is = (name: string): boolean => Number(row[name]) === 1
  const { kind, scale } = kindOf(type.toLowerCase(), dialect)
  const [nullable, hasDefault, generated, primary] = [!is('required'), is('given'), is('made'), is('prime')]
  return { name: String(row.name), type, kind, scale, nullable, hasDefault, generated, primary }
}

interface Kind {
  readonly kind: ColumnKind
  readonly scale: number | undefined
}

type Kinds = readonly (readonly [pattern: RegExp, kind: ColumnKind])[]

/** The first that fits, read by the name of the type: whole words of it, since an `interval`, or an enumeration of `print` and `real`, is a text. */
const KINDS: Kinds = [
  [/\[\]$/, 'text'],
  [/^(tinyint\(1\)|bool(ean)?\b|bit\(1\))/, 'boolean'],
  [/^(decimal|numeric|dec|fixed)\b/, 'decimal'],
  [/^(timestamp(\(\d\))? with time zone|timestamptz\b)/, 'time'],
  [/^timestamp(\(\d\))? without\b/, 'localtime'],
  [/^((tiny|small|medium|big)?int|integer|year)\b/, 'integer'],
  [/^(real|double|float)\b/, 'number'],
  [/^jsonb?$/, 'json'],
  [/^uuid\b/, 'uuid'],
  [/^((tiny|medium|long)?blob|bytea|(var)?binary|bit)\b/, 'bytes'],
]

/** SQLite takes any name of a type, and looks for such a part of it itself. */
const OF_SQLITE: Kinds = [
  [/^bool/, 'boolean'],
  [/int|serial/, 'integer'],
  [/real|doub|floa/, 'number'],
  [/blob|bytea|binary/, 'bytes'],
]

function kindOf(type: string, dialect: Dialect): Kind {
  const [, scale] = /^(?:decimal|numeric)\s*\(\s*\d+\s*(?:,\s*(\d+)\s*)?\)/.exec(type) ?? []
  const hasPlaces = /^(?:decimal|numeric)\s*\(/.test(type)
  const [, kind] = [...KINDS, ...OF_ONE[dialect]].find(([pattern]) => pattern.test(type)) ?? [undefined, 'text' as const]
  return { kind, scale: kind === 'decimal' && hasPlaces ? Number(scale ?? 0) : undefined }
}

/** MySQL has no zones, and its times are taken as UTC; SQLite has no times, and its texts travel as they are. */
const OF_ONE: Readonly<Record<Dialect, Kinds>> = {
  postgres: [[/^date$/, 'date']],
  mysql: [
    [/^(datetime|timestamp)/, 'time'],
    [/^date$/, 'date'],
    [/^(geom|point|linestring|polygon|multi(point|line|poly))/, 'bytes'],
  ],
  sqlite: [...OF_SQLITE, [/^$/, 'bytes']],
}

/** @throws CorebusError REPLICATION where a table is not there */
export async function describedTable(tx: SqlTx, table: string, what: string): Promise<ReadonlyMap<string, TableColumn>> {
  const columns = await columnsOf(tx, table)
  if (columns.length > 0) return new Map(columns.map((column) => [column.name, column]))
  throw new CorebusError(
    'REPLICATION',
    `${what} says table ${table}, and there is none of this name where it looks: make it, or correct the name`,
  )
}
