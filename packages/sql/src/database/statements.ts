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
import { NOW } from '../tx/time.ts'

export { NOW } from '../tx/time.ts'

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

/** `NOW`, for the builder. */
export const now = (dialect: Dialect): RawBuilder<number> => sql.raw(NOW[dialect])
