import { CorebusError } from '@corebus/core'
import { must, type Option } from '@corebus/core/internal'
import type { SqlDatabase, SqlSessions } from './database.ts'

/** What people may give where a database is asked for: the sessions that they made have one. */
export type DatabaseLike = SqlDatabase | Pick<SqlSessions<never>, 'database'>

/** The option `database` of a feature. */
export const DATABASE: Option = {
  default: "that of the instance's `session`",
  must: must('sessions of @corebus/sql, or a database of theirs', (value) => hasDatabase(value) || isDatabase(value)),
  text: "sessions of @corebus/sql (`kyselySession(db)`, `pgSession(pool)` ...), needed where the instance's session is a function of your own",
}

/** The database that was given, else that of the instance's sessions. @throws CorebusError SQL_DATABASE where nothing says which */
export function databaseFor(what: string, given: DatabaseLike | undefined, session: unknown): SqlDatabase {
  const found = given ?? (hasDatabase(session) ? session : undefined)
  if (hasDatabase(found)) return found.database
  if (isDatabase(found)) return found
  if (found !== undefined)
    throw new CorebusError(
      'SQL_DATABASE',
      `${what} was given something else than a database: it wants sessions of @corebus/sql, such as kyselySession(db) or pgSession(pool)`,
    )
  throw new CorebusError(
    'SQL_DATABASE',
    `${what} does not know its database: ${
      session === undefined ? 'no session is configured' : 'the session is a function of your own'
    }. Use a session of @corebus/sql (kyselySession(db), pgSession(pool) ...), or say ${what}({ database: kyselySession(db) })`,
  )
}

/** The database of sessions; undefined where they are a function of the user's own. */
export const databaseOf = (session: unknown): SqlDatabase | undefined => (hasDatabase(session) ? session.database : undefined)

function isDatabase(value: unknown): value is SqlDatabase {
  return typeof value === 'object' && value !== null && 'dialect' in value && 'transaction' in value && 'where' in value
}

function hasDatabase(session: unknown): session is Pick<SqlSessions<never>, 'database'> {
  return typeof session === 'object' && session !== null && 'database' in session && typeof session.database === 'object'
}
