import { AsyncLocalStorage } from 'node:async_hooks'
import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { CorebusError, type Session } from '@corebus/core'

/** The path of the database file, so that all who open it share one line; for a database in memory, the connection itself. */
export type SessionKey = string | object

interface Turn {
  readonly key: SessionKey
  readonly outer: Turn | undefined
  /** What the session has started may still run when it has ended, and may then open one of its own. */
  over: boolean
}

/** The session that the running code is part of, and those around it. */
const current = new AsyncLocalStorage<Turn>()

/** By key: settles when the last in line has finished. */
const lines = new Map<SessionKey, Promise<void>>()

/**
 * The same session, one at a time per database file: SQLite has one writer, and where a library shares one connection, a transaction begun
 * while another is open becomes part of it, and is lost with it when that one rolls back. First come, first served.
 * @example
 * serialised('orders.db', (work) => db.transaction().execute(work))      // Kysely; TypeORM, Drizzle and Knex alike
 * @throws CorebusError SESSION_NESTED when a session is opened inside of one for the same file: it would wait for itself
 */
export function serialised<Db>(key: SessionKey, session: Session<Db>): Session<Db> {
  const line = typeof key === 'string' ? fileOf(key) : key
  return (work) => inTurn(line, () => session(work))
}

async function inTurn<T>(key: SessionKey, work: () => Promise<T>): Promise<T> {
  const outer = current.getStore()
  if (holds(outer, key))
    throw new CorebusError(
      'SESSION_NESTED',
      `a session of ${nameOf(key)} was opened inside of another one, for which it would wait for ever. Pass on the db of the outer session instead`,
    )
  const turn: Turn = { key, outer, over: false }
  const leave = await enter(key)
  try {
    return await current.run(turn, work)
  } finally {
    turn.over = true
    leave()
  }
}

function holds(turn: Turn | undefined, key: SessionKey): boolean {
  for (let at = turn; at; at = at.outer) if (at.key === key && !at.over) return true
  return false
}

async function enter(key: SessionKey): Promise<() => void> {
  const before = lines.get(key)
  const { promise, resolve: finish } = Promise.withResolvers<void>()
  const line = before ? before.then(() => promise) : promise
  lines.set(key, line)
  await before
  return () => {
    finish()
    if (lines.get(key) === line) lines.delete(key)
  }
}

/** One name for one file, whichever way it is written. It need not exist yet. */
function fileOf(path: string): string {
  const file = resolve(path.replace(/^file:(\/\/)?/, '').replace(/\?.*$/, ''))
  return existing(file) ?? join(existing(dirname(file)) ?? dirname(file), basename(file))
}

function existing(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    // Not there, or not readable: then its name as given is all there is.
    return undefined
  }
}

function nameOf(key: SessionKey): string {
  return typeof key === 'string' ? key : 'a database in memory'
}
