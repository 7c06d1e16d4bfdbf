import type { Host } from '@corebus/core'
import { sql } from 'kysely'
import { builder, NOW } from '../database/statements.ts'
import { COLUMNS } from '../outbox/row.ts'
import { ASIDE, HELD, type OutboxTables } from '../outbox/tables.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import { type Holds, heldKeys, lineOf } from './hold.ts'
import type { Outcome } from './outcome.ts'
import { deleteRows, list, type OutboxRow, these } from './rows.ts'

/** A row that is refused again and again is tried this seldom. */
const MOST_RETRY_MS = 60_000
const MOST_ERROR = 2_000

export interface SettleOptions {
  readonly tables: OutboxTables
  readonly logger: Host['logger']
  readonly holds: Holds
  /** As often a row is refused before it is dead. */
  readonly attempts: number
  /** The wait after the first refusal; it doubles with each. */
  readonly retryMs: number
}

/** Writes down what became of the rows of a turn, by whoever has their parts. */
export async function settle(tx: SqlTx, { confirmed, refused, behind }: Outcome, options: SettleOptions): Promise<void> {
  await deleteRows(tx, options.tables, confirmed)
  for (const { row, cause } of refused) {
    if (row.attempts + 1 >= options.attempts) await bury(tx, row, cause, options)
    else await setAside(tx, row, cause, options)
  }
  if (behind && behind.length > 0) await wait(tx, behind, options)
}

/** A refused row lies aside until its next attempt, and keeps its place in the order. What must not leave before it follows when a relay meets it. */
async function setAside(tx: SqlTx, row: OutboxRow, cause: Error, { tables, holds, retryMs, logger }: SettleOptions): Promise<void> {
  const { outbox, parts } = tables
  const { dialect } = tx
  const afterMs = Math.min(retryMs * 2 ** row.attempts, MOST_RETRY_MS)
  await query(tx, sql`update ${sql.table(outbox)} set attempts = attempts + 1, part = ${list([row.part + ASIDE])} where ${these([row])}`)
  const back = sql.raw(`${NOW[dialect]} + ${Math.ceil(afterMs)}`)
  await query(tx, sql`update ${sql.table(parts)} set back = ${back} where part = ${list([row.part])} and (back is null or back > ${back})`)
  if (row.attempts === 0)
    logger.warn(
      { err: cause, id: row.message.id, topic: row.message.topic },
      `the broker refuses a message of the outbox for good: it is tried again${holds(row) ? ', and its key waits' : ''}`,
    )
}

async function bury(tx: SqlTx, row: OutboxRow, cause: Error, { tables, holds, attempts, logger }: SettleOptions): Promise<void> {
  const { outbox, dead } = tables
  const isHolding = holds(row)
  const columns = sql.join(COLUMNS.map((column) => sql.ref(column)))
  const insert = sql`insert into ${sql.table(dead)} (${columns}, seq, created, attempts, holds, died, error) select ${columns}, seq, created, attempts + 1, ${list([isHolding ? 1 : 0])}, ${sql.raw(NOW[tx.dialect])}, ${sql.raw('?')} from ${sql.table(outbox)} where ${these([row])}`
  await query(tx, insert, [cause.message.replaceAll('\0', '').toWellFormed().slice(0, MOST_ERROR)])
  await deleteRows(tx, tables, [row])
  logger.error(
    { err: cause, id: row.message.id, topic: row.message.topic },
    `the broker has refused a message of the outbox ${attempts} times: it is in ${dead} now${isHolding ? ', and its key waits until somebody retries or purges it' : ''}`,
  )
}

/** Rows that came behind a held one since. Asked again: it may have been decided about while the others were published. */
async function wait(tx: SqlTx, rows: readonly OutboxRow[], { tables }: SettleOptions): Promise<void> {
  const held = await heldKeys(tx, tables, [...new Set(rows.map(({ part }) => part))])
  for (const row of rows) {
    const line = lineOf(row)
    const to = held.dead.has(line) ? HELD : held.aside.has(line) ? ASIDE : undefined
    if (to !== undefined) await query(tx, sql`update ${sql.table(tables.outbox)} set part = ${list([row.part + to])} where ${these([row])}`)
  }
}

/** Rows that were set aside come back, to where they were. */
export async function bringBack(tx: SqlTx, { outbox, parts }: OutboxTables, back: readonly number[]): Promise<void> {
  if (back.length === 0) return
  const aside = list(back.map((part) => part + ASIDE))
  await query(tx, sql`update ${sql.table(outbox)} set part = part - ${list([ASIDE])} where part in (${aside})`)
  await query(tx, sql`update ${sql.table(parts)} set back = null where part in (${list(back)})`)
}

async function query(tx: SqlTx, statement: ReturnType<typeof sql>, params: readonly (string | null)[] = []): Promise<void> {
  await tx.query(statement.compile(builder(tx.dialect)).sql, params)
}
