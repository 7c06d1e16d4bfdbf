import type { Session, Sessions } from '../../scope/session.ts'
import { postgres } from './postgres.ts'
import type { Dialect, Query, Rows } from './rows.ts'
import { sqlite } from './sqlite.ts'

/** A database whose rows can be read, and put back. */
export interface Database {
  rows(): Promise<Rows>
  putBack(was: Rows): Promise<void>
  /** Gives back the numbers that a rolled back run has taken. */
  rewind(was: Rows): Promise<void>
}

interface Transacts {
  readonly dialect: string
  transaction<T>(work: (tx: Queries) => Promise<T>): Promise<T>
}
interface Queries {
  query(sql: string): Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[] }>
}
interface Prepares {
  prepare(sql: string): { all(): unknown[] }
  exec(sql: string): unknown
}

/** The table in which the sql package keeps the first table of each of its parts. */
const PARTS = 'corebus_schema'

/** Tables of ours: what an inbox, an outbox, leases and schedules keep is no effect of a handler. */
export function companionTables(rows: Rows | undefined): readonly string[] {
  const names = [...(rows?.tables ?? [])]
  const firsts = names.flatMap(([name, { rows: parts }]) => (lastOf(name) === PARTS ? parts.map(([part = '']) => part.slice(1, -1)) : []))
  const isOurs = (name: string): boolean =>
    lastOf(name) === PARTS ||
    firsts.some((first) => name === first || (name.startsWith(`${first}_`) && OF_PARTS.test(name.slice(first.length + 1))))
  return names.map(([name]) => name).filter(isOurs)
}

/** The endings of the tables that an outbox has beside its first one. */
const OF_PARTS = /^(delayed|dead|parts|\d)$/
const lastOf = (name: string): string => name.split('.').at(-1) ?? ''

type InTransaction = <T>(work: (query: Query, dialect: Dialect | undefined) => Promise<T>) => Promise<T>

/**
 * The database of the sessions, where it lives in this process: SQLite by any library, and PGlite. Sessions of @corebus/sql say themselves how to ask it;
 * of other ones it is what they open. Undefined for a server's, which may be shared, and for what is not known.
 */
export async function databaseOf(session: Session<unknown> | Sessions<unknown> | undefined): Promise<Database | undefined> {
  if (!session) return undefined
  const inTransaction = transactionsOf(session)
  const dialect = await inTransaction(async (query, found) => (found === postgres && !(await isInProcess(query)) ? undefined : found))
  if (!dialect) return undefined
  return {
    rows: () => inTransaction((query) => dialect.read(query)),
    putBack: (was) => inTransaction(async (query) => dialect.write(query, was, await dialect.read(query))),
    rewind: async (was) => {
      if (dialect.rewind) await inTransaction((query) => dialect.rewind?.(query, was) ?? Promise.resolve())
    },
  }
}

function transactionsOf(session: Session<unknown> | Sessions<unknown>): InTransaction {
  const { database } = session as { readonly database?: Transacts }
  if (typeof database?.transaction === 'function') {
    const dialect = { sqlite, postgres }[database.dialect]
    return (work) => database.transaction((tx) => work(async (sql) => (await tx.query(sql)).rows, dialect))
  }
  const write = typeof session === 'function' ? session : session.write
  return (work) =>
    write((db) =>
      isPrepares(db)
        ? work(asked(db), sqlite)
        : isQueries(db)
          ? work(async (sql) => (await db.query(sql)).rows, postgres)
          : work(async () => [], undefined),
    )
}

/** Returns queries for both libraries for SQLite: one of them lets only statements that return rows be asked for them. */
function asked(db: Prepares): Query {
  return async (sql) => {
    if (/^\s*SELECT/i.test(sql)) return db.prepare(sql).all() as Record<string, unknown>[]
    db.exec(sql)
    return []
  }
}

/** PGlite is PostgreSQL as WebAssembly, and says which compiler made it. */
async function isInProcess(query: Query): Promise<boolean> {
  const [row] = await query('SELECT version() AS version')
  return /\bemcc\b|emscripten|pglite/i.test(String(row?.version))
}

const isPrepares = (db: unknown): db is Prepares => has(db, 'prepare') && has(db, 'exec')
const isQueries = (db: unknown): db is Queries => has(db, 'query') && has(db, 'exec')
const has = (db: unknown, method: string): boolean => typeof db === 'object' && db !== null && typeof Reflect.get(db, method) === 'function'
