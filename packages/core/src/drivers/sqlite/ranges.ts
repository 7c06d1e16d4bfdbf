import { Range } from './range.ts'
import { PARTITIONS } from './schema.ts'
import type { Seat } from './seat.ts'
import { decodeSpan } from './span.ts'
import { partId } from './topics.ts'
import type { Transaction } from './transaction.ts'

/** The partitions that one reader holds, and what the file said of the others. */
export class Ranges {
  readonly #seat: Seat
  readonly #onTaken: (range: Range) => void
  readonly #held = new Map<number, Range>()
  #free: number[] = []
  #members = 1
  #starved = false
  /** Where the next round over the partitions begins. */
  #turn = 0

  constructor(seat: Seat, onTaken: (range: Range) => void) {
    this.#seat = seat
    this.#onTaken = onTaken
  }

  get size(): number {
    return this.#held.size
  }

  /** Others hold what we could handle. */
  get isStarved(): boolean {
    return this.#starved
  }

  /** How many are ours to have while there are so many members. */
  get fairShare(): number {
    return Math.ceil(PARTITIONS / Math.max(1, this.#members))
  }

  get turn(): number {
    return this.#turn
  }

  /** As the file has it now: what is free, and how many members share. */
  read(): void {
    const { connection, group, topic, member } = this.#seat
    const first = partId(topic, 0)
    const rows = connection.rows(
      'SELECT part_id, lo, hi, owner FROM positions WHERE grp = ? AND part_id BETWEEN ? AND ?',
      group,
      first,
      first + PARTITIONS - 1,
    )
    this.#free = []
    this.#starved = false
    for (const [id, lo, hi, owner] of rows) {
      const part = Number(id) - first
      if (owner === null) this.#free.push(part)
      else if (owner !== member && (Number(lo) < Number(hi) || Number(hi) < (topic.heads[part] as number))) this.#starved = true
    }
    this.#members = Number(
      connection.row('SELECT count(*) FROM reading WHERE grp = ? AND topic_id = ? AND paused = 0', group, topic.id)?.[0],
    )
  }

  /** Whether `balance` would take or give something. */
  isUneven(share: number): boolean {
    if (this.#held.size < share) return this.#free.length > 0
    return this.#held.size > share && Array.from(this.#held.values()).some(({ out }) => out === 0)
  }

  /** A newcomer must get its share from those who have more, and what a member that left had is free. */
  balance(share: number, tx: Transaction): void {
    let surplus = this.#held.size - share
    const byUse = surplus > 0 ? Array.from(this.#held.values()).sort((a, b) => a.out - b.out) : this.#held.values()
    for (const range of byUse) {
      range.drain(surplus-- > 0)
      if (range.isDraining && range.out === 0) this.#release(range, tx)
    }
    while (this.#held.size < share && this.#free.length > 0) this.#take(this.#free.shift() as number, tx)
  }

  [Symbol.iterator](): Iterator<Range> {
    return this.#held.values()
  }

  /** Whether one of them has something to hand out. */
  haveMore(limit: number): boolean {
    for (const range of this.#held.values()) if (range.hasMore(limit)) return true
    return false
  }

  /** The next partition in turn, where it is ours. */
  next(): Range | undefined {
    const range = this.#held.get(this.#turn)
    this.#turn = (this.#turn + 1) % PARTITIONS
    return range
  }

  turnBackTo(turn: number): void {
    this.#turn = turn
  }

  handBack(range: Range, tx: Transaction): void {
    range.handBack(tx)
    this.#letGo(range, tx)
  }

  /** It is not ours any more. */
  forget(range: Range): void {
    this.#held.delete(range.part)
  }

  #take(part: number, tx: Transaction): void {
    const { connection, member, group, topic } = this.#seat
    const row = connection.row(
      'UPDATE positions SET owner = ? WHERE grp = ? AND part_id = ? AND owner IS NULL RETURNING lo, hi, done, suspects',
      member,
      group,
      partId(topic, part),
    )
    if (!row) return
    const span = decodeSpan(Number(row[0]), Number(row[1]), row[2] as Uint8Array | null, row[3] as string | null)
    this.#held.set(part, new Range(this.#seat, part, span, this.#onTaken))
    tx.onRollback(() => this.#held.delete(part))
  }

  #release(range: Range, tx: Transaction): void {
    range.giveUp(tx)
    this.#letGo(range, tx)
  }

  #letGo(range: Range, tx: Transaction): void {
    this.#held.delete(range.part)
    tx.onRollback(() => this.#held.set(range.part, range))
    tx.afterCommit(() => this.#seat.connection.changed())
  }
}
