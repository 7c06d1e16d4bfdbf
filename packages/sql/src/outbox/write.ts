import type { OutboxMessage } from '@corebus/core'
import { sql } from 'kysely'
import { builder, NOW } from '../database/statements.ts'
import type { Dialect, SqlTx } from '../tx/sql-tx.ts'
import { COLUMNS, columnsOf, inColumn } from './row.ts'
import type { OutboxTables } from './tables.ts'

/** A statement with more rows than this is two: databases take so many parameters (SQLite 32,766). */
const MOST_ROWS = 1_000

/** Of a literal in a list of values, PostgreSQL has to be told the type. */
export const WHOLE: Readonly<Record<Dialect, string>> = { postgres: 'bigint', mysql: 'SIGNED', sqlite: 'INTEGER' }

/** Statements are the same for each number of rows, and made once. */
const texts = new Map<string, string>()

/** Writes the messages in the transaction: those that leave with its commit in one statement, and beside them those that are due later. */
export async function writeMessages(tx: SqlTx, tables: OutboxTables, messages: readonly OutboxMessage[]): Promise<void> {
  const now = messages.filter(({ due }) => due === undefined)
  for (let at = 0; at < now.length; at += MOST_ROWS) {
    const some = now.slice(at, at + MOST_ROWS)
    await tx.query(
      insertText(tx.dialect, tables.outbox, some.length),
      some.flatMap(({ message }) => columnsOf(message)),
    )
  }
  for (const { message, due } of messages) if (due) await writeDelayed(tx, tables, message, due)
}

function insertText(dialect: Dialect, table: string, rows: number): string {
  const name = `${dialect} ${rows} ${table}`
  const known = texts.get(name)
  if (known !== undefined) return known
  const values = `(${COLUMNS.map(() => '?').join(', ')}, ${NOW[dialect]})`
  const all = sql.raw(Array.from({ length: rows }, () => values).join(', '))
  const made = sql`insert into ${sql.table(table)} (${sql.join([...COLUMNS, 'created'].map((column) => sql.ref(column)))}) values ${all}`
  const text = made.compile(builder(dialect)).sql
  texts.set(name, text)
  return text
}

/** A message that is waiting already stays as it is: a handler that runs again records it again. */
async function writeDelayed(
  tx: SqlTx,
  { delayed }: OutboxTables,
  message: OutboxMessage['message'],
  due: NonNullable<OutboxMessage['due']>,
): Promise<void> {
  const { dialect } = tx
  const at = 'at' in due ? `CAST(? AS ${WHOLE[dialect]})` : `${NOW[dialect]} + CAST(? AS ${WHOLE[dialect]})`
  const values = sql.raw(`(${COLUMNS.map(() => '?').join(', ')}, ${NOW[dialect]}, ${at})`)
  const columns = sql.join([...COLUMNS, 'created', 'due'].map((column) => sql.ref(column)))
  const unless = dialect === 'mysql' ? sql`on duplicate key update ${sql.ref('id')} = ${sql.ref('id')}` : sql`on conflict do nothing`
  const text = sql`insert into ${sql.table(delayed)} (${columns}) values ${values} ${unless}`.compile(builder(dialect)).sql
  await tx.query(text, [...columnsOf(message), Math.ceil('at' in due ? due.at : due.afterMs)])
}

/** Takes a delayed message back. False when it is not there: it has left, or never was. */
export async function cancelDelayed(tx: SqlTx, { delayed }: OutboxTables, id: string): Promise<boolean> {
  const text = sql`delete from ${sql.table(delayed)} where ${sql.ref('id')} = ${sql.raw('?')}`.compile(builder(tx.dialect)).sql
  return (await tx.query(text, [inColumn(id)])).affected > 0
}
