import { calls, type LibraryTx, type LibraryValue, property } from './recogniser.ts'
import { reads, type SqlResult, type SqlRow } from './sql-tx.ts'

interface Statement {
  all(...params: readonly LibraryValue[]): SqlRow[]
  run(...params: readonly LibraryValue[]): { readonly changes: number | bigint }
}
interface NodeSqlite {
  prepare(sql: string): Statement & { setReadBigInts(on: boolean): void }
  readonly isTransaction?: boolean
  readonly isOpen?: boolean
}

const isNodeSqlite = (given: object): given is NodeSqlite => calls(given, 'prepare', 'exec', 'createSession')

/** More of them are texts that differ each time. */
const MOST_STATEMENTS = 100

/** Statements that are kept as they were prepared. */
export function keeping<S>(prepare: (sql: string) => S): (sql: string) => S {
  const kept = new Map<string, S>()
  return (sql) => {
    const found = kept.get(sql)
    if (found) return found
    if (kept.size >= MOST_STATEMENTS) kept.clear()
    const made = prepare(sql)
    kept.set(sql, made)
    return made
  }
}

/** A DatabaseSync of node:sqlite between BEGIN and its end. Before Node 22.16 it does not say whether it is in a transaction. */
export function nodeSqlite(given: object): LibraryTx | undefined {
  if (!isNodeSqlite(given)) return undefined
  const prepared = keeping((sql) => {
    const statement = given.prepare(sql)
    statement.setReadBigInts(true)
    return statement
  })
  return {
    dialect: 'sqlite',
    state: () => (given.isOpen === false ? 'over' : given.isTransaction === false ? 'autocommit' : 'open'),
    run(sql, params) {
      const statement = prepared(sql)
      return reads(sql) ? read(statement, params) : wrote(statement, params)
    },
  }
}

interface BetterSqlite3 {
  prepare(sql: string): Statement & { readonly reader: boolean; safeIntegers(on: boolean): unknown }
  readonly inTransaction: boolean
  readonly open: boolean
}

const isBetterSqlite3 = (given: object): given is BetterSqlite3 =>
  calls(given, 'prepare', 'pragma') && typeof property(given, 'inTransaction') === 'boolean'

/** A Database of better-sqlite3, or of a package with its API, between BEGIN and its end. */
export function betterSqlite3(given: object): LibraryTx | undefined {
  if (!isBetterSqlite3(given)) return undefined
  const prepared = keeping((sql) => {
    const statement = given.prepare(sql)
    // Of a statement that returns nothing better-sqlite3 has no integers to set.
    if (statement.reader) statement.safeIntegers(true)
    return statement
  })
  return {
    dialect: 'sqlite',
    state: () => (!given.open ? 'over' : given.inTransaction ? 'open' : 'autocommit'),
    run(sql, params) {
      const statement = prepared(sql)
      return statement.reader ? read(statement, params) : wrote(statement, params)
    },
  }
}

function read(statement: Statement, params: readonly LibraryValue[]): SqlResult {
  const rows = statement.all(...params)
  return { rows, affected: rows.length }
}

function wrote(statement: Statement, params: readonly LibraryValue[]): SqlResult {
  return { rows: [], affected: Number(statement.run(...params).changes) }
}
