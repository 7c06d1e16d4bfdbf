import type { SqlValue } from '@corebus/sql'
import type { Order, Plan, Test, Value } from './query.ts'

/** A part of a WHERE, with what it asks for. */
interface Part {
  readonly sql: string
  readonly params: readonly SqlValue[]
}

const TRUE: Part = { sql: '1 = 1', params: [] }
const FALSE: Part = { sql: '1 = 0', params: [] }

/** Returns what follows `WHERE _shown >= ...`: the filters, and what lies behind the page before. */
export function filterOf({ any, order, behind }: Plan): Part {
  const filter = either(any.map((tests) => both(tests.map(testOf))))
  const rest = behind === undefined ? TRUE : behindOf(order, behind)
  const parts = [filter, rest].filter((part) => part !== TRUE)
  return { sql: parts.map(({ sql }) => ` AND ${sql}`).join(''), params: parts.flatMap(({ params }) => params) }
}

/** PostgreSQL has NULL last going up, others first. */
export function orderBy(order: readonly Order[], dialect: 'sqlite' | 'postgres'): string {
  const nulls = dialect === 'postgres' ? { up: ' NULLS FIRST', down: ' NULLS LAST' } : { up: '', down: '' }
  return order.map(({ path, down }) => `"${path}"${down ? ' DESC' : ''}${path === '_id' ? '' : down ? nulls.down : nulls.up}`).join(', ')
}

const COMPARED = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

function testOf({ path, operator, operand }: Test): Part {
  const column = `"${path}"`
  switch (operator) {
    case 'exists':
      return { sql: `${column} IS ${operand === true ? 'NOT ' : ''}NULL`, params: [] }
    case 'eq':
      return equals(column, operand as Value) // checked by planOf, as what follows
    case 'in':
      return inOf(column, operand as readonly Value[])
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return { sql: `${column} ${COMPARED[operator]} ?`, params: [operand as string | number] }
  }
}

function inOf(column: string, values: readonly Value[]): Part {
  const some = values.filter((value) => value !== null)
  const found = some.length === 0 ? FALSE : { sql: `${column} IN (${some.map(() => '?').join(', ')})`, params: some.map(parameterOf) }
  return some.length === values.length ? found : either([found, equals(column, null)])
}

function equals(column: string, value: Value): Part {
  return value === null ? { sql: `${column} IS NULL`, params: [] } : { sql: `${column} = ?`, params: [parameterOf(value)] }
}

const parameterOf = (value: Value): SqlValue => (typeof value === 'boolean' ? (value ? 1 : 0) : value)

/** Behind a document that holds these: greater in the first place, or the same there and greater in the next. */
function behindOf(order: readonly Order[], values: readonly Value[]): Part {
  return either(
    order.map((one, n) =>
      both([...order.slice(0, n).map(({ path }, i) => equals(`"${path}"`, values[i] ?? null)), past(one, values[n] ?? null)]),
    ),
  )
}

/** NULL is less than all else. */
function past({ path, down }: Order, value: Value): Part {
  const column = `"${path}"`
  if (value === null) return down ? FALSE : { sql: `${column} IS NOT NULL`, params: [] }
  if (!down) return { sql: `${column} > ?`, params: [parameterOf(value)] }
  return { sql: path === '_id' ? `${column} < ?` : `(${column} < ? OR ${column} IS NULL)`, params: [parameterOf(value)] }
}

function both(parts: readonly Part[]): Part {
  return joined(parts, ' AND ', TRUE)
}

/** An empty list of filters is a list of none that holds. */
function either(parts: readonly Part[]): Part {
  if (parts.includes(TRUE)) return TRUE
  return joined(parts, ' OR ', FALSE)
}

function joined(parts: readonly Part[], word: string, none: Part): Part {
  const [first, ...others] = parts
  if (!first) return none
  if (others.length === 0) return first
  return { sql: `(${parts.map(({ sql }) => sql).join(word)})`, params: parts.flatMap(({ params }) => params) }
}
