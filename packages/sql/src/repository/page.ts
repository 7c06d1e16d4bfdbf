import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Dialect } from '../tx/sql-tx.ts'
import type { ColumnRules } from './columns.ts'

/** A page of a table, as `RowQuery` of @corebus/hono says it. */
export interface PageQuery {
  readonly where: readonly { readonly column: string; readonly anyOf: readonly unknown[] }[]
  readonly order: readonly { readonly column: string; readonly descending: boolean }[]
  readonly after?: readonly unknown[]
  readonly limit: number
}

/** The facts of the table whose columns are compared. */
export interface Compared {
  readonly dialect: Dialect
  ref(column: string): RawBuilder<unknown>
  rules(column: string): ColumnRules
}

type Condition = RawBuilder<SqlBool>

const both = (all: readonly Condition[]): Condition => sql`(${sql.join(all, sql` AND `)})`
const either = (all: readonly Condition[]): Condition => sql`(${sql.join(all, sql` OR `)})`
const NEVER: Condition = sql`(1 = 0)`

export function conditions({ where, order, after }: PageQuery, table: Compared): readonly Condition[] {
  const filters = where.map(({ column, anyOf }) => among(column, anyOf, table))
  return after ? [...filters, behind(order, after, table)] : filters
}

/** A list and no chain of ORs, whose depth SQLite limits to 1,000. */
const among = (column: string, anyOf: readonly unknown[], { dialect, ref, rules }: Compared): Condition =>
  anyOf.length === 0 ? NEVER : sql`${ref(column)} IN (${sql.join(anyOf.map((value) => rules(column).into(value, dialect)))})`

export const ordered = (order: PageQuery['order'], { ref }: Compared): RawBuilder<unknown> =>
  sql.join(order.map(({ column, descending }) => (descending ? sql`${ref(column)} DESC` : ref(column))))

/** The first columns are the same and the next one comes behind: for each of them. */
function behind(order: PageQuery['order'], after: readonly unknown[], table: Compared): Condition {
  const ways = order.map(({ column, descending }, n) => {
    const before = order.slice(0, n).map((one, m) => same(one.column, after[m], table))
    return both([...before, further(column, after[n], { descending, table })])
  })
  return either(ways)
}

function same(column: string, value: unknown, { dialect, ref, rules }: Compared): Condition {
  return value === null ? sql`${ref(column)} IS NULL` : sql`${ref(column)} = ${rules(column).into(value, dialect)}`
}

/** The place of a null in an order: each database has its own way, and an index of a column is in that order. */
const NULL_IS: Readonly<Record<Dialect, 'largest' | 'smallest'>> = { postgres: 'largest', mysql: 'smallest', sqlite: 'smallest' }

function further(column: string, value: unknown, { descending, table }: { descending: boolean; table: Compared }): Condition {
  const { dialect, ref, rules } = table
  const nullsLast = (NULL_IS[dialect] === 'largest') !== descending
  if (value === null) return nullsLast ? NEVER : sql`${ref(column)} IS NOT NULL`
  const { nullable, into } = rules(column)
  const beyond: Condition = sql`${ref(column)} ${sql.raw(descending ? '<' : '>')} ${into(value, dialect)}`
  return nullable && nullsLast ? sql`(${beyond} OR ${ref(column)} IS NULL)` : beyond
}
