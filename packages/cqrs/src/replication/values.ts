import { CorebusError } from '@corebus/core'
import type { Dialect } from '@corebus/sql'
import { rulesOf } from '@corebus/sql/internal'
import { type RawBuilder, sql } from 'kysely'
import type { ColumnKind, TableColumn } from './columns.ts'

/** How the values of a column are read for the wire, and written from it. */
export interface ValueRules {
  /** Returns what is selected. */
  read(column: RawBuilder<unknown>, name: string, dialect: Dialect): RawBuilder<unknown>
  /** The value on the wire, of what was selected and is not null. @throws CorebusError MASTER_FIELD */
  from(value: unknown, column: TableColumn): unknown
  /** The parameter, of a value of the wire that is not null. @throws CorebusError REPLICA_VALUE for what the column would not keep as it is */
  into(value: unknown, column: TableColumn, dialect: Dialect): RawBuilder<unknown>
}

const [BIGINT, NUMBER, TEXT, UUID] = [rulesOf('bigint'), rulesOf('number'), rulesOf('text'), rulesOf('uuid')]
const [TIME, BOOLEAN, JSONS] = [rulesOf('time'), rulesOf('boolean'), rulesOf('json')]

const castText: Readonly<Record<Dialect, string>> = { postgres: 'text', mysql: 'CHAR', sqlite: 'TEXT' }
const asText = (column: RawBuilder<unknown>, dialect: Dialect): RawBuilder<unknown> => sql`CAST(${column} AS ${sql.raw(castText[dialect])})`
const fromText = (text: string, type: string): RawBuilder<unknown> => sql`CAST(CAST(${text} AS text) AS ${sql.raw(type)})`

const WHOLE = /^-?\d+(?:\.0*)?$/
const DECIMAL = /^-?\d+(?:\.\d+)?$/

/** `"3500.5"` with scale 2 is `"3500.50"`. Undefined where digits would be lost. */
export function toScale(text: string, scale: number): string | undefined {
  const [whole = '', places = ''] = text.split('.')
  if (/[^0]/.test(places.slice(scale))) return undefined
  return scale === 0 ? whole : `${whole}.${places.slice(0, scale).padEnd(scale, '0')}`
}

/** SQLite keeps decimals as doubles, and writes all digits of them: `0.30000000000000004` is 0.30. Undefined for what is no double of such a decimal. */
function ofDouble(text: string, scale: number): string | undefined {
  const value = Number(text)
  const decimal = value.toFixed(scale)
  return Math.abs(Number(decimal) - value) <= 4 * Number.EPSILON * Math.abs(value) ? decimal : undefined
}

const refused = (column: TableColumn, why: string): CorebusError =>
  new CorebusError(
    'REPLICA_VALUE',
    `column ${column.name} (${column.type}) cannot hold what the master has: ${why}. Widen the column, or map another one`,
  )

function textIn(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function numericIn(value: unknown, column: TableColumn, pattern: RegExp): string {
  const text = typeof value === 'boolean' ? String(Number(value)) : String(value)
  if (pattern.test(text)) return text
  throw refused(column, `it is ${kindOfValue(value)} and no ${column.kind}`)
}

const kindOfValue = (value: unknown): string => (Array.isArray(value) ? 'a list' : value === null ? 'null' : `a ${typeof value}`)

function scaled(text: string, column: TableColumn): string {
  if (column.scale === undefined) return text
  const value = toScale(text, column.scale)
  if (value === undefined) throw refused(column, `it has more than ${column.scale} decimal places`)
  return value
}

const safe = (text: string): number | string => (Number.isSafeInteger(Number(text)) ? Number(text) : text)
const asItIs: ValueRules['read'] = (column) => column

/** A part of a JSON text that may be a number of more digits than a number of JavaScript has. */
const LONG_NUMBER = /\d{16}/

/** @throws CorebusError MASTER_FIELD for a number that would travel as another one */
function jsonOf(text: string, column: TableColumn): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text)
  return JSON.parse(text, (_: string, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source // of numbers and other simple values
    if (typeof value !== 'number' || source === undefined || !WHOLE.test(source) || BigInt(source.replace(/\..*/, '')) === BigInt(value))
      return value
    throw new CorebusError(
      'MASTER_FIELD',
      `column ${column.name} (${column.type}) holds JSON with the number ${source}, which would travel as ${value}: keep it as a text, or write it through serialize`,
    )
  })
}

const RULES: Readonly<Record<ColumnKind, ValueRules>> = {
  integer: {
    read: (column, _, dialect) => asText(column, dialect),
    from: (value) => safe(BIGINT.from(value) as string),
    into: (value, column, dialect) => BIGINT.into(numericIn(value, column, WHOLE).replace(/\..*/, ''), dialect),
  },
  decimal: {
    read: (column, _, dialect) => asText(column, dialect),
    from(value, column) {
      const text = String(value)
      const decimal = DECIMAL.test(text)
        ? column.scale === undefined
          ? text
          : (toScale(text, column.scale) ?? ofDouble(text, column.scale))
        : undefined
      if (decimal !== undefined) return decimal
      throw new CorebusError(
        'MASTER_FIELD',
        `column ${column.name} (${column.type}) holds a value that is no decimal of its scale, as the database gives it: declare it as text, or write it through serialize`,
      )
    },
    into(value, column, dialect) {
      const text = scaled(numericIn(value, column, DECIMAL), column)
      return dialect === 'postgres' ? fromText(text, 'numeric') : sql`${text}`
    },
  },
  number: {
    read: asItIs,
    from(value, column) {
      const number = Number(value)
      if (Number.isFinite(number)) return number
      throw new CorebusError(
        'MASTER_FIELD',
        `column ${column.name} holds ${number}, which JSON does not know: use null, or write it through serialize`,
      )
    },
    into: (value, column, dialect) => {
      const number = typeof value === 'boolean' ? Number.NaN : Number(value)
      if (!Number.isFinite(number)) throw refused(column, `it is ${kindOfValue(value)} and no number`)
      return NUMBER.into(number, dialect)
    },
  },
  boolean: {
    read: asItIs,
    // MySQL's booleans are small integers, and one of them may be 7.
    from: (value) =>
      typeof value === 'boolean' ? value : Number(value) === 0 || Number(value) === 1 ? Number(value) === 1 : Number(value),
    into(value, column, dialect) {
      if (value === true || value === false || value === 0 || value === 1) return BOOLEAN.into(Boolean(value), dialect)
      if (dialect !== 'postgres' && Number.isInteger(value)) return sql`${value}`
      throw refused(column, `it is ${kindOfValue(value)} and neither true nor false`)
    },
  },
  // Clients make objects of some: mysql2 of MariaDB's JSON, which is a text, and pg of lists and intervals. SQLite's own cast would make a text of any bytes.
  text: {
    read: (column, _, dialect) => (dialect === 'sqlite' ? column : asText(column, dialect)),
    from(value, column) {
      if (typeof value !== 'object') return String(value)
      throw new CorebusError(
        'MASTER_FIELD',
        `column ${column.name} (${column.type}) holds bytes, which do not travel: leave it out of fields, or write it as text through serialize`,
      )
    },
    into: (value, _, dialect) => TEXT.into(textIn(value), dialect),
  },
  uuid: {
    read: (column, _, dialect) => asText(column, dialect),
    from: String,
    into: (value, _, dialect) => UUID.into(textIn(value), dialect),
  },
  time: {
    read: (_, name, dialect) => TIME.read(name, dialect),
    from: String,
    into: (value, _, dialect) => TIME.into(withZone(textIn(value)), dialect),
  },
  localtime: {
    read: (column) => sql`to_char(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.US')`,
    from: String,
    into: (value) => fromText(textIn(value).replace(/Z$/, ''), 'timestamp'),
  },
  date: {
    read: (column, _, dialect) => (dialect === 'mysql' ? sql`DATE_FORMAT(${column}, '%Y-%m-%d')` : sql`to_char(${column}, 'YYYY-MM-DD')`),
    from: String,
    into: (value, _, dialect) => (dialect === 'postgres' ? fromText(textIn(value), 'date') : sql`${textIn(value)}`),
  },
  json: {
    read: (column, _, dialect) => asText(column, dialect),
    from: (value, column) => jsonOf(String(value), column),
    into: (value, _, dialect) => JSONS.into(value, dialect),
  },
  bytes: {
    read: asItIs,
    from(_, column) {
      throw new CorebusError('MASTER_FIELD', `column ${column.name} (${column.type}) holds bytes, which do not travel`)
    },
    into(_, column) {
      throw refused(column, 'columns of bytes are not replicated')
    },
  },
}

const withZone = (text: string): string => (/T.*(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)

/** Selects a column for the wire. */
export const selected = (column: TableColumn, dialect: Dialect): RawBuilder<unknown> =>
  RULES[column.kind].read(sql.ref(column.name), column.name, dialect)

/** The value on the wire. @throws CorebusError MASTER_FIELD */
export const wireValue = (value: unknown, column: TableColumn): unknown =>
  value === null || value === undefined ? null : RULES[column.kind].from(value, column)

/** The parameter that a value of the wire is written as. @throws CorebusError REPLICA_VALUE */
export function columnValue(value: unknown, column: TableColumn, dialect: Dialect): RawBuilder<unknown> {
  if (value !== null && value !== undefined) return RULES[column.kind].into(value, column, dialect)
  if (column.nullable) return sql`NULL`
  throw refused(column, 'it is null, and the column is NOT NULL')
}
