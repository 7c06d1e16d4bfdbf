import { CorebusError } from '@corebus/core'
import { checkOptions, must, type Option } from '@corebus/core/internal'

export type FieldType = 'text' | 'number' | 'boolean'

/** The description of a collection that a store knows. It is plain data: it is kept with the documents that were written by it. */
export interface Shape {
  readonly fields: Readonly<Record<string, FieldType>>
  readonly indexes: readonly (readonly string[])[]
  readonly required: readonly string[]
}

export interface CollectionOptions<T extends object> {
  /** The paths of the fields that documents are found and sorted by, such as `status` or `user.id`, and what they hold beside null. */
  readonly fields?: Readonly<Record<string, FieldType>>
  /** The paths among `fields` that `find` is to be fast with: one, or several that are asked for together. */
  readonly indexes?: readonly (string | readonly string[])[]
  /** A document is shown to readers when it has all of these, whatever they hold: until then events are missing that tell of it. */
  readonly required?: readonly (keyof T & string)[]
}

/** Documents of one kind. `T` is what readers get. */
export interface Collection<T extends object = Record<string, unknown>> {
  readonly shape: Shape
  /** Never there: it carries the type. */
  readonly documents?: T
}

const TYPES: readonly unknown[] = ['text', 'number', 'boolean']
const PATH = /^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*$/
const MOST_PATH = 48

const isPath = (value: unknown): value is string => typeof value === 'string' && value.length <= MOST_PATH && PATH.test(value)
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value) && value.length > 0

export const COLLECTION: Readonly<Record<keyof CollectionOptions<object>, Option>> = {
  fields: {
    default: 'none: documents are found by their ids alone',
    must: must(`an object of paths (at most ${MOST_PATH} letters, digits, _ and dots) with 'text', 'number' or 'boolean'`, (value) => {
      return (
        typeof value === 'object' && value !== null && Object.entries(value).every(([path, type]) => isPath(path) && TYPES.includes(type))
      )
    }),
    text: "what documents are found and sorted by: `{ status: 'text', 'user.id': 'number' }`. A document in which one of them holds something else than that or null is refused (`DOCUMENT`)",
  },
  indexes: {
    default: 'none',
    must: must('an array of paths, or of arrays of paths', (value) =>
      Array.isArray(value) ? value.every((one) => isPath(one) || (isList(one) && one.every(isPath))) : false,
    ),
    text: "which of those `find` is to be fast with: `['status', ['user.id', 'created_at']]`",
  },
  required: {
    default: 'none',
    must: must('an array of names of fields', (value) => Array.isArray(value) && value.every((one) => typeof one === 'string')),
    text: 'a document is shown to readers when it has all of these fields, whatever they hold. Handlers see it before',
  },
}

/**
 * Describes the documents of one kind.
 * @throws CorebusError OPTION; PROJECTION for an index of a field that is not declared, and for two fields that differ in case alone
 * @example
 * const orders = collection<OrderView>({ fields: { user_id: 'number', status: 'text' }, indexes: [['user_id', 'status']], required: ['user_id'] })
 */
export function collection<T extends object = Record<string, unknown>>(options: CollectionOptions<T> = {}): Collection<T> {
  checkOptions('collection', options, COLLECTION)
  const { fields = {}, indexes = [], required = [] } = options
  const lists = indexes.map((index) => (typeof index === 'string' ? [index] : index))
  const unknown = lists.flat().find((path) => !Object.hasOwn(fields, path))
  if (unknown !== undefined)
    throw new CorebusError('PROJECTION', `an index has the field ${unknown}, which is not declared: say fields: { '${unknown}': 'text' }`)
  const [one, other] =
    Object.values(Object.groupBy(Object.keys(fields), (path) => path.toLowerCase())).find((same) => same && same.length > 1) ?? []
  // SQLite's columns are the same in any case.
  if (other !== undefined) throw new CorebusError('PROJECTION', `the fields ${one} and ${other} differ in case alone: rename one of them`)
  return { shape: { fields, indexes: lists, required } }
}

/** Returns what is at a path of a document; undefined where there is nothing. */
export function at(fields: object, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => {
    return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
  }, fields)
}
