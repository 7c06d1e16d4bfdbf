import type { Host } from '@corebus/core'
import type { Transacts } from '../database/database.ts'
import { quoted } from '../database/table.ts'
import { SLOT_S, SLOTS, slotOf } from '../outbox/tables.ts'
import { isDenied, isLockTimeout } from '../tx/database-errors.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import { withoutParameters } from '../tx/without-parameters.ts'
import { whole } from './rows.ts'

/** A table below this size is not worth a new file. */
const LARGE_BYTES = 1_000_000
/** Relays read all tables of the outbox for as long as their turns last. Nobody else waits meanwhile: who writes has moved on to another table. */
const LOCK_MS = 200
/** Tables are emptied this often at most, and when so much was deleted since. */
const EVERY_MS = 2_000
const MUCH = 1_000
/** The next table is left alone when its turn to be written begins this soon. */
const NEAR_S = 1

/**
 * PostgreSQL: empties those tables of the outbox that are not being written and have no rows left. A transaction that is open anywhere in the database
 * keeps deleted rows in a table, and every look for new ones goes through them; an emptied table has none. Rows that are committed late are safe: the
 * lock is had when no transaction has written and not ended, and the table is looked at after that.
 * @returns whether none is large any more
 */
export async function emptyTables(transacts: Transacts, outbox: string): Promise<boolean> {
  const { written, leftS, large } = await transacts.read((tx) => sizes(tx, outbox))
  const emptied: boolean[] = []
  for (const n of large) {
    const isWritten = n === written || (n === (written + 1) % SLOTS && leftS <= NEAR_S)
    emptied.push(!isWritten && (await empty(transacts, slotOf(outbox, n))))
  }
  return emptied.every(Boolean)
}

async function sizes(tx: SqlTx, outbox: string): Promise<{ written: number; leftS: number; large: readonly number[] }> {
  const names = Array.from({ length: SLOTS }, (_, n) => quoted('postgres', slotOf(outbox, n)))
  const columns = names.map((_, n) => `pg_relation_size(CAST(? AS regclass)) AS size${n}`)
  const { rows } = await tx.query(`SELECT CAST(extract(epoch FROM clock_timestamp()) AS bigint) AS at, ${columns.join(', ')}`, names)
  const [row = {}] = rows
  const at = whole(row.at)
  return {
    written: Math.floor(at / SLOT_S) % SLOTS,
    leftS: SLOT_S - (at % SLOT_S),
    large: names.flatMap((_, n) => (whole(row[`size${n}`]) < LARGE_BYTES ? [] : [n])),
  }
}

async function empty(transacts: Transacts, table: string): Promise<boolean> {
  const name = quoted('postgres', table)
  try {
    return await transacts.transaction(async (tx) => {
      await tx.query(`SELECT set_config('lock_timeout', '${LOCK_MS}ms', true)`)
      await tx.query(`LOCK TABLE ${name} IN ACCESS EXCLUSIVE MODE`)
      const isEmpty = (await tx.query(`SELECT 1 AS one FROM ${name} LIMIT 1`)).rows.length === 0
      if (isEmpty) await tx.query(`TRUNCATE ${name}`)
      return isEmpty
    })
  } catch (thrown) {
    // Somebody is in it: a relay whose broker is slow, a transaction that has written long ago, a dump.
    if (isLockTimeout(thrown)) return false
    throw thrown
  }
}

/** Empties the tables of one outbox from time to time, while there is something to empty. */
export class Emptying {
  readonly #outbox: string
  readonly #logger: Host['logger']
  #deleted = 0
  #at = 0
  #isDenied = false

  constructor(outbox: string, logger: Host['logger']) {
    this.#outbox = outbox
    this.#logger = logger
  }

  /** Called after each round of turns, with the rows that it deleted. */
  async after(transacts: Transacts, deleted: number): Promise<void> {
    this.#deleted += deleted
    if (this.#deleted < MUCH || performance.now() - this.#at < EVERY_MS) return
    this.#at = performance.now()
    try {
      if (await emptyTables(transacts, this.#outbox)) this.#deleted = 0
      this.#isDenied = false
    } catch (thrown) {
      if (!isDenied(thrown)) throw thrown
      this.#denied(thrown)
    }
  }

  /** Rows are published all the same. Whoever grants it need not restart anything. */
  #denied(thrown: unknown): void {
    this.#deleted = 0
    if (this.#isDenied) return
    this.#isDenied = true
    const slots = Array.from({ length: SLOTS }, (_, n) => slotOf(this.#outbox, n)).join(', ')
    this.#logger.warn(
      { err: withoutParameters(thrown) },
      `the relay's user may not empty the tables of the outbox, which grow beside transactions that stay open: GRANT SELECT, TRUNCATE ON ${slots}, or let the user own them`,
    )
  }
}
