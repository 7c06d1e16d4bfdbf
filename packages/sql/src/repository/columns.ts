import { CorebusError } from '@corebus/core'
import { type RawBuilder, sql } from 'kysely'
import { type Dialect, int64, type SqlValue } from '../tx/sql-tx.ts'

/**
 * The kind of what a column holds, in the row and in the database. `integer`: a number up to 2^53. `bigint`: text of a whole number up to 2^63. `number`: of
 * up to 15 digits (`double precision`, `numeric`). `time`: text such as `2026-12-01T12:00:00.000Z` (`timestamptz`, in MySQL a `datetime` in UTC, in SQLite
 * text). `json`: whatever JSON holds (`jsonb`, `json`, text). A `?` behind it: it may be null.
 */
export type Kind = 'integer' | 'bigint' | 'number' | 'text' | 'boolean' | 'time' | 'uuid' | 'json'

/** The kinds that fit a value of a row. */
export type KindOf<Value> = unknown extends Value
  ? 'json' | 'json?'
  : null extends Value
    ? `${KindOfSome<Exclude<Value, null>>}?`
    : KindOfSome<Value>
type KindOfSome<Value> = [Value] extends [number]
  ? 'integer' | 'number'
  : [Value] extends [string]
    ? 'text' | 'bigint' | 'time' | 'uuid'
    : [Value] extends [boolean]
      ? 'boolean'
      : 'json'

export interface ColumnRules {
  readonly nullable: boolean
  /** The value of a text in a query; undefined for what stands for none. JSON has none. */
  parse(text: string): SqlValue | undefined
  /** The parameter that a value is written and compared as. */
  into(value: unknown, dialect: Dialect): RawBuilder<unknown>
  /** Returns what is selected for the column. */
  read(column: string, dialect: Dialect): RawBuilder<unknown>
  /** The value in the row, of what was selected. */
  from(value: unknown): unknown
}

type Rules = Partial<Omit<ColumnRules, 'nullable'>>

export function rulesOf(kind: string): ColumnRules {
  const nullable = kind.endsWith('?')
  const name = nullable ? kind.slice(0, -1) : kind
  if (!Object.hasOwn(KINDS, name))
    throw new CorebusError(
      'OPTION',
      `${JSON.stringify(kind)} is no kind of column. There are: ${Object.keys(KINDS).join(', ')}, each with a ? behind it where it may be null`,
    )
  const rules: ColumnRules = { nullable, ...PLAIN, ...KINDS[name as Kind] }
  return {
    ...rules,
    into: (value, dialect) => (value === null ? sql`NULL` : rules.into(value, dialect)),
    from: (value) => (value === null || value === undefined ? null : rules.from(value)),
  }
}

const PLAIN: Omit<ColumnRules, 'nullable'> = {
  parse: (text) => text,
  into: (value) => sql`${value}`,
  read: (column) => sql`${sql.ref(column)}`,
  from: String,
}

/**
 * PostgreSQL takes a text and makes the widest type of it: a parameter has the type of its column otherwise, which some clients convert to themselves, and a
 * number that the column could not hold would be an error where nothing is equal to it.
 */
const cast = (value: unknown, type: string): RawBuilder<unknown> => sql`CAST(CAST(${String(value)} AS text) AS ${sql.raw(type)})`

const TEXT: Readonly<Record<Dialect, string>> = { postgres: 'text', mysql: 'CHAR', sqlite: 'TEXT' }
const asText = (column: string, dialect: Dialect): RawBuilder<unknown> => sql`CAST(${sql.ref(column)} AS ${sql.raw(TEXT[dialect])})`

const LARGEST = 2n ** 63n - 1n
const WHOLE = /^(?:0|-?[1-9]\d{0,18})$/

function wholeIn(text: string): bigint | undefined {
  const value = WHOLE.test(text) ? BigInt(text) : undefined
  return value !== undefined && value <= LARGEST && value >= -LARGEST - 1n ? value : undefined
}

function safeIn(text: string): number | undefined {
  const value = wholeIn(text)
  return value !== undefined && Number.isSafeInteger(Number(value)) ? Number(value) : undefined
}

function safe(value: unknown): number {
  const number = Number(int64(value))
  if (Number.isSafeInteger(number)) return number
  throw new CorebusError('INTEGER_LOST', 'a column of the kind integer has a value beyond 2^53: make it a bigint, whose values are text')
}

const NUMBER = /^-?\d{1,300}(?:\.\d{1,300})?(?:e[+-]?\d{1,3})?$/i
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z$/

const isTime = (text: string): boolean => TIME.test(text) && !Number.isNaN(Date.parse(text))
const textOfTime = (value: unknown): string => (value instanceof Date ? value.toISOString() : String(value))

const KINDS: Readonly<Record<Kind, Rules>> = {
  integer: {
    parse: safeIn,
    into: (value, dialect) => (dialect === 'postgres' ? cast(value, 'bigint') : sql`${value}`),
    from: safe,
  },
  bigint: {
    parse: wholeIn,
    into: (value, dialect) =>
      dialect === 'postgres'
        ? cast(value, 'bigint')
        : dialect === 'mysql'
          ? sql`CAST(${String(value)} AS SIGNED)`
          : sql`${BigInt(value as string)}`,
    // As text: half of the libraries give a number, whose last digits are gone.
    read: asText,
    from: (value) => String(int64(value)),
  },
  number: {
    parse: (text) => (NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : undefined),
    into: (value, dialect) => (dialect === 'postgres' ? cast(value, 'numeric') : sql`${value}`),
    from: Number,
  },
  // No cast: it may be an enumeration, and a database that knows U+0000 in a text is none of PostgreSQL's.
  text: { parse: (text) => (text.includes('\0') ? undefined : text) },
  uuid: {
    parse: (text) => (UUID.test(text) ? text : undefined),
    into: (value, dialect) => (dialect === 'postgres' ? cast(value, 'uuid') : sql`${value}`),
  },
  boolean: {
    parse: (text) => (text === 'true' ? 1 : text === 'false' ? 0 : undefined),
    into: (value, dialect) => (dialect === 'postgres' ? cast(Boolean(value), 'boolean') : sql`${value ? 1 : 0}`),
    from: (value) => value === true || Number(value) === 1,
  },
  time: {
    parse: (text) => (isTime(text) ? text : undefined),
    into(value, dialect) {
      const text = textOfTime(value)
      if (dialect === 'postgres') return cast(text, 'timestamptz')
      return dialect === 'mysql' ? sql`${text.replace('T', ' ').replace(/Z$/, '')}` : sql`${text}`
    },
    // As text, with all its digits: a Date has ms, and a page that begins behind a rounded time shows a row again.
    read(column, dialect) {
      const ref = sql.ref(column)
      if (dialect === 'postgres') return sql`to_char(${ref} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
      return dialect === 'mysql' ? sql`DATE_FORMAT(${ref}, '%Y-%m-%dT%H:%i:%s.%fZ')` : sql`${ref}`
    },
  },
  json: {
    parse: () => undefined,
    into: (value, dialect) => (dialect === 'postgres' ? cast(JSON.stringify(value), 'jsonb') : sql`${JSON.stringify(value)}`),
    read: asText,
    from: (value) => JSON.parse(String(value)),
  },
}
