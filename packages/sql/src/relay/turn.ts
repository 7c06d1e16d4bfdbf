import { CorebusError, type Host, PublishError } from '@corebus/core'
import type { SqlDatabase, Transacts } from '../database/database.ts'
import type { OutboxTables } from '../outbox/tables.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import type { Lease } from './lease.ts'
import { firstRows, lockParts, type OutboxRow } from './rows.ts'

/** Parts that one turn takes: the others are left to other relays. */
const MOST_PARTS = 4
/** Rows that one turn publishes: with more a relay that dies would repeat more, with fewer it would pay for more round trips a row. */
const MOST_ROWS = 1_000

export interface Turn {
  /** The parts that it had; none where others have all of them. */
  readonly parts: readonly number[]
  /** Rows that it had, whatever became of them. */
  readonly rows: number
  /** There may be more rows than it took. */
  readonly full: boolean
  /** Why some were not published, where trying again can help. */
  readonly trouble?: Error | undefined
}

/** What became of the rows of a turn. Those that are in neither list stay where they are. */
export interface Outcome {
  readonly confirmed: readonly OutboxRow[]
  /** The broker will never take them as they are. */
  readonly refused: readonly { readonly row: OutboxRow; readonly cause: Error }[]
  /** Why others were not published. */
  readonly trouble?: Error | undefined
}

export interface TurnOptions {
  readonly tables: OutboxTables
  /** Publishes rows in their order. Never rejects. */
  readonly publish: (rows: readonly OutboxRow[]) => Promise<Outcome>
  /** Writes down what became of them. */
  readonly settle: (tx: SqlTx, outcome: Outcome) => Promise<void>
}

/** Publishes rows of parts that are locked meanwhile, by the transaction that deletes them: a relay that dies gives them back with its connection. */
export function lockedTurn(transacts: Transacts, wanted: readonly number[], { tables, publish, settle }: TurnOptions): Promise<Turn> {
  return transacts.transaction(async (tx) => {
    const parts = await lockParts(tx, tables, wanted, MOST_PARTS)
    if (parts.length === 0) return { parts, rows: 0, full: false }
    const rows = await firstRows(tx, tables, parts, MOST_ROWS)
    const outcome = await publish(rows)
    await settle(tx, outcome)
    return { parts, rows: rows.length, full: isFull(rows, parts), trouble: outcome.trouble }
  })
}

/** The same where a lock would stop everybody who writes: a lease says who relays, and nothing is open while the broker is waited for. */
export async function leasedTurn(
  database: SqlDatabase,
  lease: Lease,
  wanted: readonly number[],
  { tables, publish, settle }: TurnOptions,
): Promise<Turn> {
  const rows = await database.read((tx) => firstRows(tx, tables, wanted, MOST_ROWS))
  const outcome = await lease.during(() => publish(rows))
  const full = isFull(rows, wanted)
  await database.transaction(async (tx) => {
    if (!(await lease.keep(tx))) throw new CorebusError('RELAY_LATE', 'another relay has taken over, and publishes these rows again')
    await settle(tx, outcome)
    if (!full || outcome.trouble) await lease.release(tx)
  })
  return { parts: wanted, rows: rows.length, full, trouble: outcome.trouble }
}

const isFull = (rows: readonly OutboxRow[], parts: readonly number[]): boolean => rows.length >= Math.floor(MOST_ROWS / parts.length)

/** Publishes the rows in one call. */
export async function publishRows(rows: readonly OutboxRow[], publish: Host['publish']): Promise<Outcome> {
  if (rows.length === 0) return { confirmed: [], refused: [] }
  try {
    await publish(rows.map(({ message }) => message))
    return { confirmed: rows, refused: [] }
  } catch (thrown) {
    if (thrown instanceof PublishError) return outcomeOf(rows, thrown)
    return { confirmed: [], refused: [], trouble: thrown instanceof Error ? thrown : new Error(String(thrown)) }
  }
}

function outcomeOf(rows: readonly OutboxRow[], error: PublishError): Outcome {
  const failures = new Map(error.failures.map((failure) => [failure.id, failure]))
  const refused = rows.flatMap((row) => {
    const failure = failures.get(row.message.id)
    return failure?.permanent ? [{ row, cause: failure.cause }] : []
  })
  return {
    confirmed: rows.filter(({ message }) => !failures.has(message.id)),
    refused,
    trouble: error.failures.find(({ permanent }) => !permanent)?.cause,
  }
}
