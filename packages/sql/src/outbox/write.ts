import { CorebusError, type OutboxMessage } from '@corebus/core'
import { sql } from 'kysely'
import { builder, NOW } from '../database/statements.ts'
import { isCutOff, isMissingTable, isTooLarge } from '../tx/database-errors.ts'
import type { Dialect, SqlTx } from '../tx/sql-tx.ts'
import { withoutParameters } from '../tx/without-parameters.ts'
import { COLUMNS, columnsOf, inColumn } from './row.ts'
import { nextSeq, type OutboxTables } from './tables.ts'

/** A statement with more rows than this is two: databases take so many parameters (SQLite 32,766). */
const MOST_ROWS = 1_000
/** Likewise with more text than this: MySQL takes 16 MB, and some set less. */
const MOST_TEXT = 1_000_000

/** Connections keep a statement for each number of rows up to this one. */
const MOST_PREPARED = 4

/** Of a literal in a list of values, PostgreSQL has to be told the type. */
export const WHOLE: Readonly<Record<Dialect, string>> = { postgres: 'bigint', mysql: 'SIGNED', sqlite: 'INTEGER' }

const LATER: Readonly<Record<Dialect, string>> = { postgres: 'greatest', mysql: 'greatest', sqlite: 'max' }

/** SQLite's names of the values of a list: those of a row, and how many rows come before it. */
const NAMED = [...COLUMNS, 'created'].map((_, n) => `v.column${n + 1}`)
const VALUES = sql.raw(NAMED.join(', '))
const BEFORE = sql.raw(`v.column${NAMED.length + 1}`)

/** Statements are the same for each number of rows, and made once. */
const texts = new Map<string, string>()

export interface WriteOptions {
  readonly tables: OutboxTables
  /** Where the database is, for people. */
  readonly where: string
}

/**
 * Writes the messages in the transaction: those that leave with its commit in one statement, and beside them those that are due later.
 * @throws CorebusError OUTBOX_TOO_LARGE, OUTBOX_WRITE, OUTBOX_ID, SCHEMA, and of a transaction that is none TX_OVER and its like
 */
export async function writeMessages(tx: SqlTx, { tables, where }: WriteOptions, messages: readonly OutboxMessage[]): Promise<void> {
  const now = messages.filter(({ due }) => due === undefined).map(({ message }) => columnsOf(message))
  const later = messages.flatMap(({ message, due }) => (due ? [{ columns: columnsOf(message), due }] : []))
  try {
    for (const some of inStatements(now))
      await tx.query(insertText(tx.dialect, tables.outbox, some.length), some.flat(), { repeated: some.length <= MOST_PREPARED })
    for (const { columns, due } of later) await writeDelayed(tx, tables, columns, due)
  } catch (thrown) {
    const isLarge =
      tx.dialect === 'mysql' && [...now, ...later.map(({ columns }) => columns)].some((columns) => textOf(columns) > MOST_TEXT)
    throw refused(thrown, { tables, where, isLarge })
  }
}

type Columns = ReturnType<typeof columnsOf>

const textOf = (columns: Columns): number =>
  columns.reduce<number>((sum, column) => sum + (typeof column === 'string' ? column.length : 0), 0)

/** As few statements as databases take. */
function inStatements(all: readonly Columns[]): readonly (readonly Columns[])[] {
  const statements: Columns[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const columns of all) {
    const more = textOf(columns)
    const last = statements.at(-1)
    if (last && last.length < MOST_ROWS && bytes + more <= MOST_TEXT) {
      last.push(columns)
      bytes += more
    } else {
      statements.push([columns])
      bytes = more
    }
  }
  return statements
}

/** Without parameters, which are the messages: libraries put them into their errors, and users log those. */
function refused(thrown: unknown, { tables: { outbox }, where, isLarge }: WriteOptions & { readonly isLarge: boolean }): Error {
  const cause = withoutParameters(thrown)
  if (thrown instanceof CorebusError) return cause
  if (isMissingTable(cause))
    return new CorebusError(
      'SCHEMA',
      `the tables of ${outbox} are not in ${where}, or not in the database of this transaction: run \`npx corebus outbox migrate\`, or call migrate(), once`,
      {
        cause,
      },
    )
  // MySQL says why and ends the connection, and a client that still writes may not hear it.
  if (isTooLarge(cause) || (isLarge && isCutOff(cause)))
    return new CorebusError(
      'OUTBOX_TOO_LARGE',
      `the database takes no statement as large as these messages (max_allowed_packet): ${cause.message}`,
      {
        cause,
      },
    )
  return new CorebusError('OUTBOX_WRITE', `events could not be written into ${outbox}: ${cause.message}`, { cause })
}

function insertText(dialect: Dialect, table: string, rows: number): string {
  const name = `${dialect} ${rows} ${table}`
  const known = texts.get(name)
  if (known !== undefined) return known
  const marks = COLUMNS.map(() => '?').join(', ')
  const columns = [...COLUMNS, 'created'].map((column) => sql.ref(column))
  const each = (row: (n: number) => string) => sql.raw(Array.from({ length: rows }, (_, n) => row(n)).join(', '))
  const made =
    dialect === 'sqlite'
      ? sql`insert into ${sql.table(table)} (${sql.join(columns)}, seq) select ${VALUES}, ${nextSeq(table)} + ${BEFORE} from (values ${each((n) => `(${marks}, ${NOW.sqlite}, ${n})`)}) v`
      : sql`insert into ${sql.table(table)} (${sql.join(columns)}) values ${each(() => `(${marks}, ${NOW[dialect]})`)}`
  const text = made.compile(builder(dialect)).sql
  texts.set(name, text)
  return text
}

/** A message that is waiting already stays as it is: a handler that runs again records it again. */
async function writeDelayed(tx: SqlTx, { delayed }: OutboxTables, values: Columns, due: NonNullable<OutboxMessage['due']>): Promise<void> {
  const { dialect } = tx
  const given = `CAST(? AS ${WHOLE[dialect]})`
  // A time that is past is now: nobody takes the message for one that waits since then.
  const at = 'at' in due ? `${LATER[dialect]}(${given}, ${NOW[dialect]})` : `${NOW[dialect]} + ${given}`
  const row = sql.raw(`(${COLUMNS.map(() => '?').join(', ')}, ${NOW[dialect]}, ${at})`)
  const columns = sql.join([...COLUMNS, 'created', 'due'].map((column) => sql.ref(column)))
  const unless = dialect === 'mysql' ? sql`on duplicate key update ${sql.ref('id')} = ${sql.ref('id')}` : sql`on conflict do nothing`
  const text = sql`insert into ${sql.table(delayed)} (${columns}) values ${row} ${unless}`.compile(builder(dialect)).sql
  const { affected } = await tx.query(text, [...values, Math.ceil('at' in due ? due.at : due.afterMs)])
  // Some libraries count for MySQL the rows that were found.
  if (affected === 0 || dialect === 'mysql') await mustBeTheSame(tx, delayed, values)
}

/** @throws CorebusError OUTBOX_ID where another event waits under this id: the one that was to be written would be lost */
async function mustBeTheSame(tx: SqlTx, delayed: string, values: Columns): Promise<void> {
  const [id, topic, type] = ['id', 'aggregatetype', 'type'].map((name) => values[COLUMNS.indexOf(name as 'id')] ?? null)
  const select = sql`select aggregatetype as topic, type as name from ${sql.table(delayed)} where ${sql.ref('id')} = ${sql.raw('?')}`
  const { rows } = await tx.query(select.compile(builder(tx.dialect)).sql, [id ?? null])
  const [found] = rows
  if (!found || (found.topic === topic && found.name === type)) return
  throw new CorebusError(
    'OUTBOX_ID',
    `another delayed event waits under the id ${id}, in ${found.topic}, and cancel(id) takes back one: give the one to ${topic} an id of its own`,
  )
}

/** Takes a delayed message back. False when it is not there: it has left, or never was. */
export async function cancelDelayed(tx: SqlTx, { delayed }: OutboxTables, id: string): Promise<boolean> {
  const text = sql`delete from ${sql.table(delayed)} where ${sql.ref('id')} = ${sql.raw('?')}`.compile(builder(tx.dialect)).sql
  return (await tx.query(text, [inColumn(id)])).affected > 0
}
