import { randomUUID } from 'node:crypto'
import type { CompanionHealth, Host } from '@corebus/core'
import type { SqlConnection, SqlDatabase, Transacts } from '../database/database.ts'
import type { OutboxTables } from '../outbox/tables.ts'
import { asideOfAll, atMost } from '../process/every.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import { takeLease } from './lease.ts'
import { deleteRows, type Look, look, moveDue, type OutboxRow } from './rows.ts'
import { leasedTurn, lockedTurn, type Outcome, publishRows, type Turn } from './turn.ts'
import { Wake } from './wake.ts'

/** After something was found or signalled, the next look comes this soon; each look that finds nothing doubles it, up to `pollMs`. */
const FIRST_WAIT_MS = 20
const FIRST_TROUBLE_MS = 100
const MOST_TROUBLE_MS = 5_000
/** Delayed rows that are moved at once. */
const MOST_MOVED = 500

export interface RelayOptions {
  readonly database: SqlDatabase
  readonly tables: OutboxTables
  readonly publish: Host['publish']
  readonly logger: Host['logger']
  readonly pollMs: number
}

/** Publishes the rows of one outbox until it is stopped. */
export class Relay {
  readonly #options: RelayOptions
  readonly #owner = randomUUID()
  readonly #wake = new Wake()
  #running: Promise<void> | undefined
  #stopping = false
  #connection: SqlConnection | undefined
  #waitMs = FIRST_WAIT_MS
  #troubleMs = 0
  #trouble: string | undefined
  #seen: { readonly oldestMs: number; readonly at: number } | undefined

  constructor(options: RelayOptions) {
    this.#options = options
  }

  start(): void {
    // Its transactions are nobody's: begun inside of a session, they would look like parts of that.
    this.#running ??= asideOfAll(() => this.#run())
  }

  /** Something was committed. */
  signal(): void {
    this.#waitMs = FIRST_WAIT_MS
    this.#wake.signal()
  }

  /** Something was written that may be committed soon. */
  expect(): void {
    this.#waitMs = FIRST_WAIT_MS
  }

  /** Ends after the turn that runs, and after one more look where something was signalled that has not been looked for. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true
    this.#wake.signal()
    await atMost(withinMs, this.#running)
  }

  health(): CompanionHealth {
    return { oldestMs: this.#seen?.oldestMs, trouble: this.#trouble }
  }

  async #run(): Promise<void> {
    while (!this.#stopping || this.#wake.signalled) {
      this.#wake.take()
      try {
        const { found, inMs } = await this.#round()
        if (found) this.#waitMs = FIRST_WAIT_MS
        else if (!this.#stopping) await this.#rest(inMs)
      } catch (thrown) {
        await this.#failed(thrown)
      }
    }
    await this.#connection?.close().catch(() => undefined)
  }

  async #rest(inMs: number): Promise<void> {
    await this.#wake.wait(Math.min(this.#waitMs, inMs))
    this.#waitMs = Math.min(this.#waitMs * 2, this.#options.pollMs)
  }

  async #failed(thrown: unknown): Promise<void> {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    if (this.#trouble === undefined) this.#options.logger.warn({ err: error }, 'the outbox is not relayed at the moment')
    this.#trouble = error.message
    this.#troubleMs = Math.min(Math.max(FIRST_TROUBLE_MS, this.#troubleMs * 2), MOST_TROUBLE_MS)
    if (!this.#stopping) await this.#wake.wait(this.#troubleMs)
  }

  async #round(): Promise<{ found: boolean; inMs: number }> {
    const { tables } = this.#options
    const transacts = await this.#transacts()
    const seen = await transacts.read((tx) => look(tx, tables))
    this.#seen = { oldestMs: seen.oldestMs, at: Date.now() }
    if (seen.delayedInMs === 0) await transacts.transaction((tx) => moveDue(tx, tables, MOST_MOVED))
    const rows = await this.#turns(transacts, seen)
    return {
      found: rows > 0 || seen.delayedInMs === 0,
      inMs: Math.min(seen.delayedInMs ?? Number.POSITIVE_INFINITY, seen.backInMs ?? Number.POSITIVE_INFINITY),
    }
  }

  async #transacts(): Promise<Transacts> {
    const { database } = this.#options
    if (!database.connect) return database
    if (!this.#connection) {
      const connection = await database.connect()
      this.#connection = connection
      connection.onLost(() => {
        if (this.#connection === connection) this.#connection = undefined
      })
    }
    return this.#connection
  }

  /** Each part that has rows gets one turn. */
  async #turns(transacts: Transacts, { parts }: Look): Promise<number> {
    const { database, tables } = this.#options
    if (parts.length === 0) return 0
    const options = { tables, publish: this.#publish, settle: this.#settle }
    if (database.dialect === 'sqlite') {
      const lease = await takeLease(database, tables, this.#owner)
      if (!lease) return 0
      let rows = 0
      for (let full = true; full && !this.#stopping; ) {
        const turn: Turn = await leasedTurn(database, lease, parts, options)
        rows += turn.rows
        full = turn.full
        if (turn.trouble) throw turn.trouble
      }
      return rows
    }
    let rows = 0
    let left = parts
    while (left.length > 0) {
      const turn = await lockedTurn(transacts, left, options)
      rows += turn.rows
      if (turn.trouble) throw turn.trouble
      if (turn.parts.length === 0) break
      left = left.filter((part) => !turn.parts.includes(part))
    }
    return rows
  }

  readonly #publish = (rows: readonly OutboxRow[]): Promise<Outcome> => publishRows(rows, this.#options.publish)

  readonly #settle = async (tx: SqlTx, { confirmed }: Outcome): Promise<void> => {
    await deleteRows(tx, this.#options.tables, confirmed)
    if (confirmed.length > 0) {
      this.#trouble = undefined
      this.#troubleMs = 0
    }
  }
}
