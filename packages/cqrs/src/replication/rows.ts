import { CorebusError } from '@corebus/core'
import type { SqlTx } from '@corebus/sql'
import { type RawBuilder, sql } from 'kysely'
import type { TableColumn } from './columns.ts'
import { inStatements, run } from './statement.ts'
import { columnValue, selected, wireValue } from './values.ts'

/** Values of the wire, by the names of their fields. */
export type Row = Readonly<Record<string, unknown>>

/** A table whose rows are replicated, or are replicas. */
export interface RowTable {
  readonly table: string
  readonly key: TableColumn
  /** The columns that are read of a row. */
  readonly columns: readonly TableColumn[]
}

export interface ReadOptions {
  /** MySQL is asked for the latest ones, and locks them: a transaction that writes may see there what was when it began. */
  readonly latest: boolean
}

/**
 * The rows of these keys, by the text of their key.
 * @throws CorebusError REPLICATION_KEY where the database takes another key for one of these; MASTER_FIELD
 */
export async function readRows(
  tx: SqlTx,
  { table, key, columns }: RowTable,
  keys: readonly string[],
  { latest }: ReadOptions,
): Promise<ReadonlyMap<string, Row>> {
  const found = new Map<string, Row>()
  const { dialect } = tx
  const all = [key, ...columns]
  const list = sql.join(all.map((column, n) => sql`${selected(column, dialect)} AS ${sql.ref(`c${n}`)}`))
  for (const some of inStatements(keys)) {
    const among = sql.join(some.map((one) => columnValue(one, key, dialect)))
    const { rows } = await run(
      tx,
      sql`SELECT ${list} FROM ${sql.table(table)} WHERE ${sql.ref(key.name)} IN (${among})${latest && dialect === 'mysql' ? sql` FOR UPDATE` : sql``}`,
      { repeated: some.length === 1 },
    )
    for (const row of rows) {
      const text = String(wireValue(row.c0, key))
      if (!some.includes(text)) throw takenForAnother(table, text)
      found.set(text, Object.fromEntries(columns.map((column, n) => [column.name, wireValue(row[`c${n + 1}`], column)])))
    }
  }
  return found
}

function takenForAnother(table: string, key: string): CorebusError {
  return new CorebusError(
    'REPLICATION_KEY',
    `${table} has a row with the key ${JSON.stringify(key)}, which its database takes for another one that was asked for: its collation does not tell upper case, accents or blanks apart. Give the key as it is in the row, or the column a binary collation`,
  )
}

/** The values that a row of a replica is set to. */
export type Values = ReadonlyMap<TableColumn, unknown>

/** Writes the row, and says whether there was one. @throws CorebusError REPLICA_VALUE */
export async function writeRow(tx: SqlTx, { table, key }: RowTable, id: string, values: Values): Promise<'created' | 'updated'> {
  const { dialect } = tx
  const given = [...values]
    .filter(([column]) => column !== key)
    .map(([column, value]) => [column, columnValue(value, column, dialect)] as const)
  const isKey = sql`${sql.ref(key.name)} = ${columnValue(id, key, dialect)}`
  if (await changed(tx, table, given, isKey)) return 'updated'
  const names = sql.join([sql.ref(key.name), ...given.map(([column]) => sql.ref(column.name))])
  const into = sql.join([columnValue(id, key, dialect), ...given.map(([, value]) => value)])
  await run(tx, sql`INSERT INTO ${sql.table(table)} (${names}) VALUES (${into})`, { repeated: true })
  return 'created'
}

async function changed(
  tx: SqlTx,
  table: string,
  given: readonly (readonly [TableColumn, RawBuilder<unknown>])[],
  isKey: RawBuilder<unknown>,
): Promise<boolean> {
  if (given.length > 0) {
    const set = sql.join(given.map(([column, value]) => sql`${sql.ref(column.name)} = ${value}`))
    const { affected } = await run(tx, sql`UPDATE ${sql.table(table)} SET ${set} WHERE ${isKey}`, { repeated: true })
    if (affected > 0) return true
    // MySQL counts no row that was so already.
    if (tx.dialect !== 'mysql') return false
  }
  const { rows } = await run(tx, sql`SELECT 1 AS there FROM ${sql.table(table)} WHERE ${isKey}`, { repeated: true })
  return rows.length > 0
}

/** Says whether there was a row. */
export async function deleteRow(tx: SqlTx, { table, key }: RowTable, id: string): Promise<'deleted' | 'absent'> {
  const statement = sql`DELETE FROM ${sql.table(table)} WHERE ${sql.ref(key.name)} = ${columnValue(id, key, tx.dialect)}`
  const { affected } = await run(tx, statement, { repeated: true })
  return affected > 0 ? 'deleted' : 'absent'
}
