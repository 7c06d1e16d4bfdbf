import type { NextDue } from './next-due.ts'
import type { Row } from './open-file.ts'
import type { Outstanding } from './outstanding.ts'
import type { Range } from './range.ts'
import type { Ranges } from './ranges.ts'
import type { Reader, Receipt } from './reader.ts'
import { PARTITIONS } from './schema.ts'
import { STORED } from './stored.ts'
import { numberOf, rowOf } from './topics.ts'
import type { Transaction } from './transaction.ts'

/** The parts of the reader. */
export interface ClaimFrom {
  readonly ranges: Ranges
  readonly outstanding: Outstanding
  readonly nextDue: NextDue
}

/** Taken from one partition before the next has its turn: neighbours share pages. */
const SHORTEST_RUN = 32
const MOST_AT_ONCE = 1_000
// One turn reads no more than this; the rest comes with the next.
const BYTES_AT_ONCE = 8 * 1024 * 1024

const SELECTS = Array.from(
  { length: PARTITIONS },
  (_, part) => `SELECT seq, ${STORED} FROM log_${part} WHERE seq >= ? AND seq < ? ORDER BY seq`,
)
const SELECT_DUE = `SELECT seq, ${STORED}, unsettled FROM due
  WHERE grp = ? AND topic_id = ? AND owner IS NULL AND due_at <= ? ORDER BY due_at, seq LIMIT ?`

/** What one reader hands out in one transaction. */
export class Claim {
  /** In order. */
  readonly handed: Receipt[] = []
  readonly #reader: Reader
  readonly #ranges: Ranges
  readonly #outstanding: Outstanding
  readonly #nextDue: NextDue
  readonly #tx: Transaction

  constructor(reader: Reader, { ranges, outstanding, nextDue }: ClaimFrom, tx: Transaction) {
    this.#reader = reader
    this.#ranges = ranges
    this.#outstanding = outstanding
    this.#nextDue = nextDue
    this.#tx = tx
  }

  handOut(): void {
    if (this.#handSuspect()) return
    // Half of the room for what was delayed: neither a replay of many nor a long backlog keeps the other waiting.
    if (this.#handDelayed(Math.ceil(this.#room / 2))) return
    this.#handReturned()
    this.#handNew()
    if (this.#room > 0) this.#handDelayed(this.#room)
  }

  get #room(): number {
    return Math.min(this.#outstanding.room, MOST_AT_ONCE)
  }

  #hand(range: Range | undefined, n: number, row: Row, unsettledBefore: number): void {
    this.handed.push(this.#reader.hand(range, n, row, unsettledBefore))
  }

  /** One at a time: the one that kills its process must not count for its neighbours. */
  #handSuspect(): boolean {
    for (const range of this.#ranges)
      for (const { n, count } of range.returned()) if (count > 0 && this.#handAgain(range, n, count)) return true
    return false
  }

  /** What its last owner gave back. */
  #handReturned(): void {
    for (const range of this.#ranges)
      for (const { n, count } of range.returned()) {
        if (this.#room <= 0) return
        this.#handAgain(range, n, count)
      }
  }

  /** @returns whether it is handed out */
  #handAgain(range: Range, n: number, count: number): boolean {
    const row = this.#rowsOf(range, n, n + 1)[0]
    if (row) {
      range.takeAgain(n, this.#tx)
      this.#hand(range, n, row, count)
      return true
    }
    // Deleted by somebody else: there is nothing left to handle.
    range.settle(n, this.#tx)
    range.advance()
    return false
  }

  #handNew(): void {
    const run = Math.max(SHORTEST_RUN, Math.ceil(this.#room / Math.max(1, this.#ranges.size)))
    let bytes = 0
    let idle = 0
    while (idle < PARTITIONS && this.#room > 0) {
      const range = this.#ranges.next()
      idle++
      if (!range || range.isDraining) continue
      const end = Math.min(range.windowEnd(this.#outstanding.limit), range.end + Math.min(run, this.#room))
      if (end <= range.end) continue
      idle = 0
      bytes += this.#extend(range, end)
      if (bytes < BYTES_AT_ONCE) continue
      this.#tx.afterCommit(() => this.#reader.connection.hungry(this.#reader))
      return
    }
  }

  /** @returns how many bytes it read */
  #extend(range: Range, end: number): number {
    const rows = this.#rowsOf(range, range.end, end)
    range.extend(end, rows, this.#tx)
    let bytes = 0
    for (const row of rows) {
      bytes += (row[4] as Uint8Array).byteLength
      this.#hand(range, numberOf(row[0] as number), row, 0)
    }
    return bytes
  }

  #rowsOf({ part }: Range, from: number, to: number): readonly Row[] {
    const { connection, topic } = this.#reader
    return connection.rows(SELECTS[part] as string, rowOf(topic, from), rowOf(topic, to))
  }

  /** True when a suspect was handed out: then nothing else may be. */
  #handDelayed(most: number): boolean {
    if (!this.#nextDue.isNow) return false
    const { connection, group, topic, member, clock } = this.#reader
    let alone = false
    for (const row of connection.rows(SELECT_DUE, group, topic.id, clock.now(), most)) {
      const seq = row[0] as number
      const unsettled = row[7] as number
      // A suspect waits until nothing else of this turn is beside it; handed out alone, it is the last of it.
      if (unsettled > 0 && this.handed.length > 0) break
      connection.run('UPDATE due SET owner = ? WHERE seq = ?', member, seq)
      this.#hand(undefined, seq, row, unsettled)
      alone = unsettled > 0
      if (alone) break
    }
    this.#nextDue.read()
    return alone
  }
}
