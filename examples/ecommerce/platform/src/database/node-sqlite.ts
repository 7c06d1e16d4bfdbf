import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { SqliteAdapter, type SqliteDatabase, SqliteDialect, type SqliteStatement } from 'kysely'

/** Node's own SQLite by Kysely, whose dialect knows better-sqlite3: a package with a binary that would have to be built. */
export class NodeSqliteDialect extends SqliteDialect {
  constructor(database: DatabaseSync) {
    super({ database: kyselys(database) })
  }

  override createAdapter(): SqliteAdapter {
    return new Adapter()
  }
}

/** SQLite's tables are made in transactions, so that of two processes that start together one migrates and the other waits for it. Kysely denies that. */
class Adapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

/** Compiling takes longer than most statements do, and a service has few different ones. */
const MOST_PREPARED = 200

function kyselys(database: DatabaseSync): SqliteDatabase {
  const prepared = new Map<string, SqliteStatement>()
  return {
    prepare(sql) {
      const known = prepared.get(sql)
      if (known) return known
      const made = statementOf(database, sql)
      if (prepared.size < MOST_PREPARED) prepared.set(sql, made)
      return made
    },
    close: () => database.close(),
  }
}

function statementOf(database: DatabaseSync, sql: string): SqliteStatement {
  const statement = database.prepare(sql)
  const values = (parameters: readonly unknown[]) => parameters as readonly SQLInputValue[] // what Kysely was given by its caller
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...values(parameters)),
    run: (parameters) => statement.run(...values(parameters)),
    // Somebody else may run the statement while rows are taken from an iterator, which has one of its own for that.
    iterate: (parameters) => database.prepare(sql).iterate(...values(parameters)) as IterableIterator<unknown>, // Node types it for its own iterator helpers
  }
}
