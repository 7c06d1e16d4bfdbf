import { CorebusError, type Host, PublishError } from '@corebus/core'
import type { Transacts } from '../database/database.ts'
import { isRetryable } from '../tx/database-errors.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import { type Held, heldKeys, lineOf, publishInLines } from './hold.ts'
import type { Lease } from './lease.ts'
import type { Outcome } from './outcome.ts'
import { deleteRows, firstRows, fitting, lockParts, type OutboxRow } from './rows.ts'
import { bringBack, type SettleOptions, settle } from './settle.ts'

/** Parts that one turn takes: the others are left to other relays. */
const MOST_PARTS = 4
/** Rows that one turn publishes: with more a relay that dies would repeat more, with fewer it would pay for more round trips a row. */
const MOST_ROWS = 1_000
/** What they hold, where they are large: all of it is in memory, more than once. */
const MOST_BYTES = 8_000_000

export interface Turn {
  /** The parts that it had; none where others have all of them. */
  readonly parts: readonly number[]
  /** Rows that it had, whatever became of them. */
  readonly rows: number
  /** There may be more rows than it took. */
  readonly full: boolean
  /** Why some were not published, where trying again can help. */
  readonly trouble?: Error | undefined
  /** Topics of which the broker took nothing at the moment, as their column has them. Where it said nothing of topics there are none beside the trouble. */
  readonly away: readonly string[]
  /** Topics of which it took or refused something. */
  readonly taken: ReadonlySet<string>
}

export interface TurnOptions extends SettleOptions {
  readonly publish: Host['publish']
  /** Whether there is a topic whose keys wait behind a message that is refused. */
  readonly holdsSome: boolean
  /** Topics whose rows are left alone. */
  readonly except?: readonly string[]
  /** The server ends a transaction of ours that does nothing for so long. Default 60,000. */
  readonly idleMs?: number
}

/** Publishes rows of parts that are locked meanwhile, by the transaction that deletes them: a relay that dies gives them back with its connection. */
export async function lockedTurn(transacts: Transacts, wanted: readonly number[], options: TurnOptions): Promise<Turn> {
  let confirmed: readonly OutboxRow[] = []
  const onPublished = (outcome: Outcome): void => {
    confirmed = outcome.confirmed
  }
  try {
    return await inLocks(transacts, wanted, options, onPublished)
  } catch (thrown) {
    // A deadlock takes the locks, and what the broker has confirmed would be published again.
    if (confirmed.length > 0 && isRetryable(thrown)) await transacts.transaction((tx) => deleteRows(tx, options.tables, confirmed))
    throw thrown
  }
}

function inLocks(
  transacts: Transacts,
  wanted: readonly number[],
  options: TurnOptions,
  onPublished: (outcome: Outcome) => void,
): Promise<Turn> {
  const { tables } = options
  return transacts.transaction(async (tx) => {
    const locked = await lockParts(tx, tables, wanted, { most: MOST_PARTS, idleMs: options.idleMs })
    const parts = locked.map(({ part }) => part)
    if (parts.length === 0) return { parts, rows: 0, full: false, away: [], taken: new Set() }
    await bringBack(
      tx,
      tables,
      locked.filter(({ isBack }) => isBack).map(({ part }) => part),
    )
    const { rows, held, full } = await rowsOf(tx, parts, options)
    const outcome = await publishRows(rows, held, options)
    onPublished(outcome)
    await settle(tx, outcome, options)
    return { parts, rows: rows.length, full, ...said(outcome) }
  })
}

/** The same where a lock would stop everybody who writes: a lease says who relays, and nothing is open while the broker is waited for. */
export async function leasedTurn(transacts: Transacts, lease: Lease, parts: readonly number[], options: TurnOptions): Promise<Turn> {
  const { rows, held, full } = await transacts.read((tx) => rowsOf(tx, parts, options))
  const outcome = await lease.during(() => publishRows(rows, held, options))
  await transacts.transaction(async (tx) => {
    if (!(await lease.keep(tx))) throw new CorebusError('RELAY_LATE', 'another relay has taken over, and publishes these rows again')
    await settle(tx, outcome, options)
  })
  return { parts, rows: rows.length, full, ...said(outcome) }
}

function said({ confirmed, refused, trouble, away = [] }: Outcome): Pick<Turn, 'trouble' | 'away' | 'taken'> {
  const all = [...confirmed, ...refused.map(({ row }) => row)]
  return { trouble, away, taken: new Set(all.map(({ topic }) => topic)) }
}

async function rowsOf(
  tx: SqlTx,
  parts: readonly number[],
  { tables, holdsSome, except = [] }: TurnOptions,
): Promise<{ readonly rows: readonly OutboxRow[]; readonly held: Held | undefined; readonly full: boolean }> {
  const first = { parts, each: Math.floor(MOST_ROWS / parts.length), except }
  const each = await fitting(tx, tables, first, MOST_BYTES)
  const rows = await firstRows(tx, tables, { ...first, each })
  const full = rows.length >= each
  return { rows, held: holdsSome && rows.length > 0 ? await heldKeys(tx, tables, parts) : undefined, full }
}

/** Publishes the rows, but those whose key waits. Never rejects. */
async function publishRows(rows: readonly OutboxRow[], held: Held | undefined, { holds, publish }: TurnOptions): Promise<Outcome> {
  if (!held) return publishAtOnce(rows, publish)
  const isBehind = (row: OutboxRow): boolean => holds(row) && (held.dead.has(lineOf(row)) || held.aside.has(lineOf(row)))
  const outcome = await publishInLines(
    rows.filter((row) => !isBehind(row)),
    holds,
    (some) => publishAtOnce(some, publish),
  )
  return { ...outcome, behind: rows.filter(isBehind) }
}

async function publishAtOnce(rows: readonly OutboxRow[], publish: Host['publish']): Promise<Outcome> {
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
  const byId = Map.groupBy(error.failures, ({ id }) => id)
  const failed = rows.map((row) => ({
    row,
    failure: byId.get(row.message.id)?.find(({ topic = row.message.topic }) => topic === row.message.topic),
  }))
  const unsent = failed.filter(({ failure }) => failure && !failure.permanent)
  return {
    confirmed: failed.filter(({ failure }) => !failure).map(({ row }) => row),
    refused: failed.flatMap(({ row, failure }) => (failure?.permanent ? [{ row, cause: failure.cause }] : [])),
    trouble: error.failures.find(({ permanent }) => !permanent)?.cause,
    away: [...new Set(unsent.map(({ row }) => row.topic))],
  }
}
