import { CorebusError } from '@corebus/core'
import type { Dialect, SqlTx } from '@corebus/sql'
import { NOW } from '@corebus/sql/internal'
import { type RawBuilder, sql } from 'kysely'
import type { RowTable } from './rows.ts'
import { run } from './statement.ts'
import { MOST_KEY_LENGTH } from './tables.ts'

/** The key of a row as the tables of replication have it, byte by byte, whatever the collation of its table is. */
function textOfKey({ key }: RowTable, dialect: Dialect): RawBuilder<unknown> {
  const column = sql.ref(`t.${key.name}`)
  if (dialect === 'postgres') return sql`CAST(${column} AS text) COLLATE "C"`
  return dialect === 'mysql' ? sql`CONVERT(CAST(${column} AS CHAR) USING utf8mb4) COLLATE utf8mb4_bin` : sql`CAST(${column} AS TEXT)`
}

/**
 * Looks for rows whose key can be none, which no revision could be kept of.
 * @throws CorebusError REPLICATION_KEY
 */
export async function refuseKeyless(tx: SqlTx, { table, key }: RowTable, what: string): Promise<void> {
  if (!key.nullable && key.kind !== 'text') return
  const column = sql.ref(key.name)
  const length = sql.raw(tx.dialect === 'sqlite' ? 'length' : 'char_length')
  const isText = key.kind === 'text' ? sql` OR ${column} = '' OR ${length}(${column}) > ${sql.lit(MOST_KEY_LENGTH)}` : sql``
  // There a key with a blank at its end has the revision of the one without.
  const isBlank = key.kind === 'text' && tx.dialect === 'mysql' ? sql` OR ${column} LIKE '% '` : sql``
  const { rows } = await run(tx, sql`SELECT count(*) AS n FROM ${sql.table(table)} WHERE ${column} IS NULL${isText}${isBlank}`)
  const n = Number(rows[0]?.n)
  if (n === 0) return
  throw new CorebusError(
    'REPLICATION_KEY',
    `${what}: ${n} rows of ${table} have a ${key.name} that is null, empty or longer than ${MOST_KEY_LENGTH} characters${tx.dialect === 'mysql' ? ', or ends with a blank,' : ','} and cannot be replicated. Give them keys, or delete them`,
  )
}

export interface Known {
  /** The table of revisions. */
  readonly revisions: string
  readonly column: 'master' | 'replica'
  readonly name: string
}

/** Rows of the table that have no revision, or one that says that they are gone: somebody has written them without saying so. */
const unknown = (
  table: RowTable,
  { revisions, column, name }: Known,
  dialect: Dialect,
  condition: RawBuilder<unknown> = sql``,
): RawBuilder<unknown> =>
  sql`FROM ${sql.table(table.table)} AS t WHERE NOT EXISTS (SELECT 1 FROM ${sql.table(revisions)} AS r WHERE ${sql.ref(`r.${column}`)} = ${name} AND r.k = ${textOfKey(table, dialect)}${condition})`

/** The keys of such rows behind a key, in their order, at most `limit`. */
export async function strangersIn(tx: SqlTx, table: RowTable, known: Known, limit: number, after = ''): Promise<readonly string[]> {
  const key = textOfKey(table, tx.dialect)
  const { rows } = await run(
    tx,
    sql`SELECT ${key} AS k ${unknown(table, known, tx.dialect, sql` AND r.gone = 0`)} AND ${key} > ${after} ORDER BY 1 LIMIT ${sql.lit(limit)}`,
  )
  return rows.map(({ k }) => String(k))
}

/** Gives those that have no revision their first one, at most `limit` of them. Returns how many. */
export async function adopt(tx: SqlTx, table: RowTable, known: Known, limit: number): Promise<number> {
  const { dialect } = tx
  const [ignore, nothing] = dialect === 'mysql' ? [sql`INSERT IGNORE`, sql``] : [sql`INSERT`, sql` ON CONFLICT DO NOTHING`]
  const { affected } = await run(
    tx,
    sql`${ignore} INTO ${sql.table(known.revisions)} (master, k, rev, gone, at) SELECT ${named(known.name, dialect)}, ${textOfKey(table, dialect)}, 1, 0, ${sql.raw(NOW[dialect])} ${unknown(table, known, dialect)} LIMIT ${sql.lit(limit)}${nothing}`,
  )
  return affected
}

/** PostgreSQL has to be told the type of a literal in a list. */
const named = (name: string, dialect: Dialect): RawBuilder<unknown> => (dialect === 'postgres' ? sql`CAST(${name} AS text)` : sql`${name}`)
