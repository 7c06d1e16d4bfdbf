import {
  type Compilable,
  DummyDriver,
  Kysely,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from 'kysely'
import type { Dialect, SqlResult, SqlTx, SqlValue } from '../tx/sql-tx.ts'

/** `SqlTx` has `?` on every database. */
class QuestionMarks extends PostgresQueryCompiler {
  protected override getCurrentParameterPlaceholder(): string {
    return '?'
  }
}

/** Kysely builds statements and runs none: they go through the user's own transaction. */
export function builder<Tables>(dialect: Dialect): Kysely<Tables> {
  return new Kysely<Tables>({ dialect: { ...PARTS[dialect], createDriver: () => new DummyDriver() } })
}

const PARTS = {
  postgres: {
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (db: Kysely<unknown>) => new PostgresIntrospector(db),
    createQueryCompiler: () => new QuestionMarks(),
  },
  mysql: {
    createAdapter: () => new MysqlAdapter(),
    createIntrospector: (db: Kysely<unknown>) => new MysqlIntrospector(db),
    createQueryCompiler: () => new MysqlQueryCompiler(),
  },
  sqlite: {
    createAdapter: () => new SqliteAdapter(),
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
}

/** Runs what the builder made. */
export function run(tx: SqlTx, statement: Compilable): Promise<SqlResult> {
  const { sql: text, parameters } = statement.compile()
  return tx.query(text, parameters as readonly SqlValue[])
}

/** The database's clock, in ms since the epoch. Every comparison with time is made with it: the clocks of processes differ. */
export const NOW: Readonly<Record<Dialect, string>> = {
  // SYSDATE is the time of now and not of the statement's begin, and there is none in UTC: in a time zone whose clock is put back, an hour of it comes twice.
  postgres: 'CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)',
  mysql: "((TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) + TIMESTAMPDIFF(MICROSECOND, NOW(3), SYSDATE(3))) DIV 1000)",
  sqlite: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
}

/** `NOW`, for the builder. */
export const now = (dialect: Dialect): RawBuilder<number> => sql.raw(NOW[dialect])
