import { CorebusError } from '@corebus/core'
import type { FieldType, Shape } from './collection.ts'
import { SHOWN } from './state.ts'

export type Value = string | number | boolean | null

/** The condition that a field must fit: a value (`null` is also nothing at all), or all of these. Greater and less compare texts byte by byte. */
export type Condition =
  | Value
  | {
      readonly eq?: Value
      readonly in?: readonly Value[]
      readonly gt?: string | number
      readonly gte?: string | number
      readonly lt?: string | number
      readonly lte?: string | number
      /** It holds something beside null, or it does not. */
      readonly exists?: boolean
    }

/** Conditions on declared fields that must all hold. */
export type Filter = Readonly<Record<string, Condition>>

export interface Query {
  /** A filter, or several of which at least one must hold. Default: all documents. */
  readonly where?: Filter | readonly Filter[]
  /** Declared fields, `-` before those that go down: `['-created_at', 'name']`. What holds nothing comes first going up. Ties go by id. Default: by id. */
  readonly sort?: string | readonly string[]
  /** At most this many, from 1 to 1,000. Default 50. */
  readonly limit?: number
  /** The `next` of the page before, with the same `sort`. */
  readonly after?: string
}

export type Operator = 'eq' | 'in' | 'gt' | 'gte' | 'lt' | 'lte' | 'exists'

export interface Test {
  readonly path: string
  readonly type: FieldType
  readonly operator: Operator
  readonly operand: unknown
}

export interface Order {
  /** A declared field; `_id` at the end. */
  readonly path: string
  readonly down: boolean
}

/** A query that was checked, as stores translate it. */
export interface Plan {
  /** The filters, each a list of tests: a document is found when all tests of at least one filter hold. */
  readonly any: readonly (readonly Test[])[]
  readonly order: readonly Order[]
  readonly limit: number
  /** The values that the last document of the page before holds, by `order`. */
  readonly behind: readonly Value[] | undefined
  /** The least that `shownTo` may say. */
  readonly shown: number
}

const DEFAULT_LIMIT = 50
const MOST = 1_000
const OPERATORS: readonly string[] = ['eq', 'in', 'gt', 'gte', 'lt', 'lte', 'exists'] satisfies Operator[]

/** @throws CorebusError QUERY, CURSOR */
export function planOf(collection: string, shape: Shape, query: Query, shown: number = SHOWN.everybody): Plan {
  const { where = {}, sort = [], limit = DEFAULT_LIMIT, after } = query
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST) throw wrong(collection, `limit must be a whole number from 1 to ${MOST}`)
  const filters = Array.isArray(where) ? (where as readonly Filter[]) : [where as Filter]
  const order = orderOf(collection, shape, typeof sort === 'string' ? [sort] : sort)
  return {
    any: filters.map((filter) => Object.entries(filter).flatMap(([path, condition]) => testsOf(collection, shape, path, condition))),
    order,
    limit,
    behind: after === undefined ? undefined : readCursor(after, order),
    shown,
  }
}

function orderOf(collection: string, shape: Shape, sort: readonly string[]): readonly Order[] {
  const given = sort.map((one) => ({ path: one.replace(/^-/, ''), down: one.startsWith('-') }))
  for (const { path } of given) declared(collection, shape, path)
  return [...given, { path: '_id', down: given.at(-1)?.down ?? false }]
}

function testsOf(collection: string, shape: Shape, path: string, condition: Condition | undefined): readonly Test[] {
  if (condition === undefined) return []
  const type = declared(collection, shape, path)
  const operators = typeof condition === 'object' && condition !== null ? condition : { eq: condition }
  return Object.entries(operators).flatMap(([operator, operand]): Test[] => {
    if (operand === undefined) return []
    if (!isOperator(operator)) throw wrong(collection, `${path} has the operator ${operator}: there are ${OPERATORS.join(', ')}`)
    if (!fits(type, operator, operand))
      throw wrong(
        collection,
        `${path} is a ${type}, and ${operator} cannot be asked of it with ${typeof operand === 'object' ? 'that' : `a ${typeof operand}`}`,
      )
    return [{ path, type, operator, operand }]
  })
}

const isOperator = (name: string): name is Operator => OPERATORS.includes(name)

function fits(type: FieldType, operator: Operator, operand: unknown): boolean {
  switch (operator) {
    case 'exists':
      return typeof operand === 'boolean'
    case 'in':
      return Array.isArray(operand) && operand.every((one) => holds(type, one))
    case 'eq':
      return holds(type, operand)
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return type !== 'boolean' && operand !== null && holds(type, operand)
  }
}

/** Whether a declared field may hold this. */
export function holds(type: FieldType, value: unknown): boolean {
  return value === null || (typeof value === (type === 'text' ? 'string' : type) && !Number.isNaN(value))
}

function declared(collection: string, shape: Shape, path: string): FieldType {
  const type = Object.hasOwn(shape.fields, path) ? shape.fields[path] : undefined
  if (type) return type
  const names = Object.keys(shape.fields)
  throw wrong(
    collection,
    `${path} is no field that documents are found or sorted by; ${names.length === 0 ? 'none is declared' : `declared are ${names.join(', ')}`}. Declare it in collection({ fields }), and rebuild the projection if its documents were written before`,
  )
}

const wrong = (collection: string, why: string): CorebusError => new CorebusError('QUERY', `find in ${collection}: ${why}`)

/** Returns the cursor for the end of a page: what its last document holds, by the order. */
export function cursorOf(order: readonly Order[], values: readonly Value[]): string {
  return Buffer.from(JSON.stringify([sortOf(order), ...values])).toString('base64url')
}

/** @throws CorebusError CURSOR for one of another order, or none */
function readCursor(after: string, order: readonly Order[]): readonly Value[] {
  const found = parsed(after)
  if (Array.isArray(found) && found[0] === sortOf(order) && found.length === order.length + 1 && found.slice(1).every(isValue))
    return found.slice(1)
  throw new CorebusError('CURSOR', 'find was given an `after` that is not the `next` of a page with this sort: begin without one')
}

function parsed(after: string): unknown {
  try {
    return JSON.parse(Buffer.from(after, 'base64url').toString())
  } catch {
    return undefined
  }
}

const isValue = (value: unknown): value is Value => value === null || ['string', 'number', 'boolean'].includes(typeof value)
const sortOf = (order: readonly Order[]): string => order.map(({ path, down }) => `${down ? '-' : ''}${path}`).join()
