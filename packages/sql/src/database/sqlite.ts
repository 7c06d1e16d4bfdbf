import type { Sessions } from '@corebus/core'
import { txOf } from '../tx/begun.ts'
import { fromLibrary, intoLibrary, type SqlRow, type SqlTx } from '../tx/sql-tx.ts'
import { keeping } from '../tx/sqlite.ts'
import { timed } from '../tx/time.ts'
import type { SqlDatabase } from './database.ts'

/** A connection of node:sqlite or of better-sqlite3, neither of which waits for anything. */
export interface SqliteConnection {
  exec(sql: string): unknown
  prepare(sql: string): { get(...params: never[]): unknown; all(...params: never[]): unknown }
}

/** A database by the sessions of its user: our transactions take turns with theirs. */
export function ofSqliteSessions<Db extends SqliteConnection>(where: string, { write, read }: Sessions<Db>): SqlDatabase {
  return {
    dialect: 'sqlite',
    where,
    transaction: (work) => write((db) => work(txOf(db, 'sqlite'))),
    read: (work) => read((db) => work(reading(db))),
  }
}

const readers = new WeakMap<SqliteConnection, SqlTx>()

/** The connection of the reading session is in no transaction, which `adapt` would refuse. */
function reading(db: SqliteConnection): SqlTx {
  const known = readers.get(db)
  if (known) return known
  const prepared = keeping((sql) => db.prepare(sql))
  const made: SqlTx = {
    dialect: 'sqlite',
    query: async (sql, params = []) => {
      const rows = prepared(timed(sql, 'sqlite')).all(...(params.map(intoLibrary) as never[])) as SqlRow[] // each library types both for itself
      return { rows: rows.map(fromLibrary), affected: rows.length }
    },
  }
  readers.set(db, made)
  return made
}
