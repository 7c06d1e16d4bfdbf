import { CorebusError } from '@corebus/core'
import { changedByJson } from '@corebus/core/internal'
import { at, type Shape } from './collection.ts'
import { holds } from './query.ts'
import type { Fields } from './state.ts'

const NAME = /^[^_$.][^.]*$/
/** The characters that JSON can write and PostgreSQL cannot keep: the character 0, and halves of a pair. */
const UNKEPT = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i

/** The fields as they are kept, without those that are undefined. @throws CorebusError DOCUMENT for what cannot be kept as it is */
export function checkedFields(collection: string, id: string, { fields: types }: Shape, given: object): Fields {
  const wrong = (why: string): CorebusError => new CorebusError('DOCUMENT', `document ${id} of ${collection}: ${why}`)
  const fields = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const name = Object.keys(fields).find((one) => !NAME.test(one))
  if (name !== undefined) throw wrong(`a field is named ${JSON.stringify(name)}: names must not begin with _ or $, nor have a dot`)
  const change = changedByJson(fields, 'refused')
  if (change) throw wrong(`JSON would change ${change}`)
  if (UNKEPT.test(JSON.stringify(fields))) throw wrong('a text has the character 0 or half of a surrogate pair, which no database keeps')
  for (const [path, type] of Object.entries(types)) {
    const value = at(fields, path)
    if (value !== undefined && !holds(type, value)) throw wrong(`${path} is declared as ${type}, and holds a ${typeof value}`)
  }
  return fields
}

/** @throws CorebusError DOCUMENT */
export function checkedRevision(collection: string, id: string, revision: unknown): number {
  if (typeof revision === 'number' && Number.isFinite(revision) && revision > 0) return revision
  throw new CorebusError(
    'DOCUMENT',
    `document ${id} of ${collection} was given the revision ${String(revision)}: it must be a number above 0 that grows with what is told of it`,
  )
}

/** @throws CorebusError DOCUMENT */
export function checkedId(collection: string, id: unknown): string {
  const text = typeof id === 'number' || typeof id === 'bigint' ? String(id) : id
  if (typeof text === 'string' && text !== '' && text.length <= 200 && !text.includes('\0') && text.isWellFormed()) return text
  throw new CorebusError('DOCUMENT', `the id of a document of ${collection} must be a text of 1 to 200 characters, or a number`)
}
