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

function kyselys(database: DatabaseSync): SqliteDatabase {
  return {
    prepare(sql): SqliteStatement {
      const statement = database.prepare(sql)
      const values = (parameters: readonly unknown[]) => parameters as readonly SQLInputValue[] // what Kysely was given by its caller
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...values(parameters)),
        run: (parameters) => statement.run(...values(parameters)),
        iterate: (parameters) => statement.iterate(...values(parameters)) as IterableIterator<unknown>, // Node types it for its own iterator helpers
      }
    },
    close: () => database.close(),
  }
}
