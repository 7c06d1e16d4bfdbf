import { type SelectQueryBuilder, SqliteAdapter, type Transaction } from 'kysely'

/**
 * Holds the rows that a command is about to change until its commit, so that two commands for one row run one after the other. SQLite has one writer and
 * no such clause.
 */
export function forUpdate<Tables, Table extends keyof Tables, Row>(
  db: Transaction<Tables>,
  query: SelectQueryBuilder<Tables, Table, Row>,
): SelectQueryBuilder<Tables, Table, Row> {
  return db.getExecutor().adapter instanceof SqliteAdapter ? query : query.forUpdate()
}
