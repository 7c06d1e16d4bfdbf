import type { Schema } from '@corebus/core'
import { rowAt } from './cursor.ts'
import type { Column, RowQuery } from './repository.ts'

/** The part of a model that decides about its pages. */
export interface Listed {
  readonly repository: { readonly key: string; readonly columns: Readonly<Record<string, Column>> }
  readonly filters: readonly string[]
  readonly sorts: readonly string[]
  readonly pageSize: number
  readonly maxPageSize: number
}

/** Names in the query that are none of columns. */
export const RESERVED: readonly string[] = ['limit', 'cursor', 'sort']

/** A list of values is as long as its statement. */
const MOST_VALUES = 100

type Query = Readonly<Record<string, string | readonly string[]>>
interface Issue {
  readonly path: readonly string[]
  readonly message: string
}

/** `?sort=-total,name&limit=20&cursor=...`, and a column's name for each filter. Names come out of lists of the model: nothing else of the query becomes SQL. */
export function listQuery(model: Listed): Schema<RowQuery> {
  return {
    '~standard': {
      version: 1,
      vendor: 'corebus',
      validate(value) {
        const issues: Issue[] = []
        const found = rowQuery(value as Query, model, (name, message) => issues.push({ path: [name], message }))
        return issues.length > 0 ? { issues } : { value: found }
      },
    },
  }
}

type Refuse = (name: string, message: string) => void

function rowQuery(query: Query, model: Listed, refuse: Refuse): RowQuery {
  const once = (name: string): string | undefined => {
    const given = query[name]
    if (Array.isArray(given)) refuse(name, 'it may be given once')
    return typeof given === 'string' ? given : undefined
  }
  const order = orderOf(once('sort'), model, refuse)
  const after = afterOf(once('cursor'), order, model, refuse)
  return { where: whereOf(query, model, refuse), order, limit: limitOf(once('limit'), model, refuse), ...(after && { after }) }
}

/** The key comes last whatever was asked for: rows that are equal in all else keep one order, and none is shown twice or left out. */
function orderOf(text: string | undefined, { repository: { key }, sorts }: Listed, refuse: Refuse): RowQuery['order'] {
  const asked = (text === undefined ? [] : text.split(',')).map((term) => ({
    column: term.replace(/^-/, ''),
    descending: term.startsWith('-'),
  }))
  const known = [...new Set([key, ...sorts])]
  const unknown = asked.filter(({ column }) => !known.includes(column))
  if (unknown.length > 0) {
    refuse('sort', `it must be of ${known.join(', ')}, each with a - before it to begin with the largest`)
    return []
  }
  if (new Set(asked.map(({ column }) => column)).size < asked.length) refuse('sort', 'a column may be named once')
  const byKey = asked.findIndex(({ column }) => column === key)
  // A column behind the key decides nothing.
  return byKey >= 0 ? asked.slice(0, byKey + 1) : [...asked, { column: key, descending: asked.at(-1)?.descending ?? false }]
}

function afterOf(
  cursor: string | undefined,
  order: RowQuery['order'],
  { repository: { columns } }: Listed,
  refuse: Refuse,
): RowQuery['after'] {
  if (cursor === undefined) return undefined
  const values = rowAt(cursor, order, columns)
  if (!values) refuse('cursor', 'it must be the `next` of a page in the same order')
  return values
}

function limitOf(text: string | undefined, { pageSize, maxPageSize }: Listed, refuse: Refuse): number {
  if (text === undefined) return pageSize
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > maxPageSize) refuse('limit', `it must be a whole number from 1 to ${maxPageSize}`)
  return limit
}

function whereOf(query: Query, { repository: { columns }, filters }: Listed, refuse: Refuse): RowQuery['where'] {
  return Object.entries(query).flatMap(([name, given]) => {
    if (RESERVED.includes(name)) return []
    if (!filters.includes(name)) {
      refuse(name, filters.length > 0 ? `there is no such filter, but ${filters.join(', ')}` : 'there are no filters here')
      return []
    }
    const texts = [given].flat()
    if (texts.length > MOST_VALUES) refuse(name, `at most ${MOST_VALUES} values`)
    const anyOf = texts.map((text) => columns[name]?.parse(text))
    if (anyOf.includes(undefined)) refuse(name, 'it is no value that this column can have')
    return [{ column: name, anyOf }]
  })
}
