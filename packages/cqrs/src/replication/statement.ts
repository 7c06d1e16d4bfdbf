import type { Dialect, SqlResult, SqlTx, SqlValue } from '@corebus/sql'
import { builder } from '@corebus/sql/internal'
import type { Kysely, RawBuilder } from 'kysely'

/** Kysely makes the text of a statement and runs none. */
const builders = new Map<Dialect, Kysely<unknown>>()

export function builderOf(dialect: Dialect): Kysely<unknown> {
  const known = builders.get(dialect)
  if (known) return known
  const made = builder<unknown>(dialect)
  builders.set(dialect, made)
  return made
}

/** Runs what `sql` has made. `repeated`: its text is the same each time, so a connection may keep it prepared. */
export function run(
  tx: SqlTx,
  statement: RawBuilder<unknown>,
  { repeated = false }: { readonly repeated?: boolean } = {},
): Promise<SqlResult> {
  const { sql: text, parameters } = statement.compile(builderOf(tx.dialect))
  return tx.query(text, parameters as readonly SqlValue[], { repeated }) // the kinds of the columns have made them so
}

/** Databases take so many parameters in one statement; SQLite takes 32,766. */
const MOST_KEYS = 500

/** The keys in as few statements as databases take. */
export function inStatements<T>(all: readonly T[], most: number = MOST_KEYS): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / most) }, (_, n) => all.slice(n * most, (n + 1) * most))
}
