import { sql } from 'kysely'
import { builder } from '../database/statements.ts'
import { ASIDE, type OutboxTables } from '../outbox/tables.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import type { Outcome } from './outcome.ts'
import { list, type OutboxRow } from './rows.ts'

/** What happens to the messages behind one that the broker refuses for good. */
export type OnDead = 'hold' | 'skip'

/** Whether messages of a topic wait behind one of their key that is refused. */
export type Holds = (row: Pick<OutboxRow, 'topic' | 'key'>) => boolean

/** A topic and a key, as their columns have them. */
export const lineOf = ({ topic, key }: Pick<OutboxRow, 'topic' | 'key'>): string => JSON.stringify([topic, key])

/** Keys whose next message has to wait: behind a dead one, or behind one that has an attempt left. */
export interface Held {
  readonly dead: ReadonlySet<string>
  readonly aside: ReadonlySet<string>
}

export async function heldKeys(tx: SqlTx, { outbox, dead }: OutboxTables, parts: readonly number[]): Promise<Held> {
  const statement = sql`select 1 as isdead, aggregatetype, aggregateid from ${sql.table(dead)} where holds = 1 and part in (${list(parts)})
    union select 0, aggregatetype, aggregateid from ${sql.table(outbox)} where part in (${list(parts.map((part) => part + ASIDE))})`
  const { rows } = await tx.query(statement.compile(builder(tx.dialect)).sql)
  const lines = (isDead: number) =>
    new Set(
      rows
        .filter((row) => Number(row.isdead) === isDead && row.aggregateid !== null)
        .map((row) => lineOf({ topic: String(row.aggregatetype), key: String(row.aggregateid) })),
    )
  return { dead: lines(1), aside: lines(0) }
}

/**
 * Publishes rows so that none of a key that may have to wait leaves before those in front of it are confirmed: such a key has one message in each call.
 * All others are in the first call.
 */
export async function publishInLines(
  rows: readonly OutboxRow[],
  holds: Holds,
  publish: (rows: readonly OutboxRow[]) => Promise<Outcome>,
): Promise<Outcome> {
  const counts = new Map<string, number>()
  const calls = Map.groupBy(rows, (row) => {
    if (!holds(row)) return 0
    const line = lineOf(row)
    const before = counts.get(line) ?? 0
    counts.set(line, before + 1)
    return before
  })
  const stopped = new Set<string>()
  const confirmed: OutboxRow[] = []
  const refused: Outcome['refused'][number][] = []
  for (const call of calls.values()) {
    const outcome = await publish(call.filter((row) => !holds(row) || !stopped.has(lineOf(row))))
    confirmed.push(...outcome.confirmed)
    refused.push(...outcome.refused)
    for (const { row } of outcome.refused) stopped.add(lineOf(row))
    if (outcome.trouble) return { ...outcome, confirmed, refused }
  }
  return { confirmed, refused }
}
