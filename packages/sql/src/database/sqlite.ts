import type { Sessions } from '@corebus/core'
import { adapt } from '../tx/adapt.ts'
import { fromLibrary, intoLibrary, type SqlRow, type SqlTx } from '../tx/sql-tx.ts'
import type { SqlDatabase } from './database.ts'

/** A connection of node:sqlite or of better-sqlite3, neither of which waits for anything. */
export interface SqliteConnection {
  exec(sql: string): unknown
  prepare(sql: string): { get(...params: never[]): unknown; all(...params: never[]): unknown }
}

/** A database by the sessions of its user: our transactions take turns with theirs. */
export function ofSqliteSessions<Db extends SqliteConnection>(where: string, { write, read }: Sessions<Db>): SqlDatabase {
  const begun = (db: SqliteConnection): SqlTx => adapt(db, { begun: true })
  return {
    dialect: 'sqlite',
    where,
    transaction: (work) => write((db) => work(begun(db))),
    read: (work) => read((db) => work(reading(db))),
  }
}

/** The connection of the reading session is in no transaction, which `adapt` would refuse. */
function reading(db: SqliteConnection): SqlTx {
  return {
    dialect: 'sqlite',
    query: async (sql, params = []) => {
      const rows = db.prepare(sql).all(...(params.map(intoLibrary) as never[])) as SqlRow[] // each library types both for itself
      return { rows: rows.map(fromLibrary), affected: rows.length }
    },
  }
}
