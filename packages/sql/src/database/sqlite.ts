import type { DatabaseSync } from 'node:sqlite'
import type { Sessions } from '@corebus/core'
import { adapt } from '../tx/adapt.ts'
import { fromLibrary, intoLibrary, type SqlTx } from '../tx/sql-tx.ts'
import type { SqlDatabase } from './database.ts'

/** A database by the sessions of its user: our transactions take turns with theirs. */
export function ofSqliteSessions(where: string, { write, read }: Sessions<DatabaseSync>): SqlDatabase {
  const begun = (db: DatabaseSync): SqlTx => adapt(db, { begun: true })
  return {
    dialect: 'sqlite',
    where,
    transaction: (work) => write((db) => work(begun(db))),
    read: (work) => read((db) => work(reading(db))),
  }
}

/** The connection of the reading session is in no transaction, which `adapt` would refuse. */
function reading(db: DatabaseSync): SqlTx {
  return {
    dialect: 'sqlite',
    query: async (sql, params = []) => {
      const rows = db
        .prepare(sql)
        .all(...params.map(intoLibrary))
        .map(fromLibrary)
      return { rows, affected: rows.length }
    },
  }
}
