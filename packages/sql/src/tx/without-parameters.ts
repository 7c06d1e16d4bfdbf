import { CorebusError } from '@corebus/core'
import { innermost } from './database-errors.ts'

/** What says which kind of failure it is, to us and to users' own retries. */
const CODES = ['code', 'errno', 'sqlState', 'errcode', 'kind']
const MOST_MESSAGE = 500
/** Knex puts the statement before what the database said, some with its values in it. */
const AFTER_STATEMENT = /^\s*(?:insert|update|delete|select|with)\b.* - /is

/**
 * The error as a log may have it: what the database said, and its codes. Drizzle and Knex put statement and parameters into theirs, and PostgreSQL values
 * into its details.
 */
export function withoutParameters(thrown: unknown): Error {
  if (thrown instanceof CorebusError)
    return thrown.cause === undefined ? thrown : new CorebusError(thrown.code, thrown.message, { cause: withoutParameters(thrown.cause) })
  const inner = innermost(thrown)
  const said = inner instanceof Error ? inner.message : String(inner)
  const error = new Error(said.replace(AFTER_STATEMENT, '').slice(0, MOST_MESSAGE))
  if (typeof inner === 'object' && inner !== null)
    for (const name of CODES) {
      const code: unknown = Reflect.get(inner, name)
      if (typeof code === 'string' || typeof code === 'number') Object.assign(error, { [name]: code })
    }
  return error
}
