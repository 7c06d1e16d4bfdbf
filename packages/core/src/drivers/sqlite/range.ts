import { Bag } from '../../collections/bag.ts'
import type { Row } from './open-file.ts'
import type { Receipt } from './reader.ts'
import type { Seat } from './seat.ts'
import { advance, copyOf, encodeDone, encodeSuspects, handBack, markDone, type Span, setOut } from './span.ts'
import { numberOf, partId } from './topics.ts'
import { Again, type Transaction } from './transaction.ts'

/** A message that its last owner gave back, or had out when it died. */
export interface Returned {
  readonly n: number
  /** How often it was handed out and its owner died. */
  readonly count: number
}

/** How far past the oldest unsettled message of a partition another may be handed out, in limits. */
const WINDOW = 50
const NONE: readonly Returned[] = []

/** A partition that is ours. Nobody else writes its row, so memory is what the file says. What changes is written once, at the end of the transaction. */
export class Range {
  readonly part: number
  readonly #seat: Seat
  readonly #onTaken: (range: Range) => void
  readonly #out = new Bag<Receipt>()
  #span: Span
  #draining = false
  #changed = false
  /** One function for all transactions: each knows it by that. */
  readonly #write = () => {
    if (this.#changed) this.#writeAs(this.#seat.member)
  }

  /** `onTaken`: somebody took us for dead, as when the owners' files were removed, and the partition with it. */
  constructor(seat: Seat, part: number, span: Span, onTaken: (range: Range) => void) {
    this.part = part
    this.#seat = seat
    this.#span = span
    this.#onTaken = onTaken
  }

  /** How many are out. */
  get out(): number {
    return this.#out.size
  }

  /** Another member shall have it as soon as nothing of it is out. */
  get isDraining(): boolean {
    return this.#draining
  }

  /** The first that was not handed out yet. */
  get end(): number {
    return this.#span.hi
  }

  drain(on: boolean): void {
    this.#draining = on
  }

  /** Up to here messages may be handed out. */
  windowEnd(limit: number): number {
    return Math.min(this.#seat.topic.heads[this.part] as number, this.#span.lo + WINDOW * limit)
  }

  /** Whether there is something to hand out. */
  hasMore(limit: number): boolean {
    return !this.#draining && (this.#hasReturned() || this.windowEnd(limit) > this.#span.hi)
  }

  /** What may be handed out again, as it is now. */
  returned(): readonly Returned[] {
    const { suspects } = this.#span
    if (this.#draining || suspects.size === 0) return NONE
    return Array.from(suspects, ([n, { count, out }]) => ({ n, count, out })).filter(({ out }) => !out)
  }

  hold(receipt: Receipt): void {
    this.#out.add(receipt)
  }

  letGo(receipt: Receipt): void {
    this.#out.remove(receipt)
  }

  /** Hands out again what was returned. */
  takeAgain(n: number, tx: Transaction): void {
    this.#change(tx)
    setOut(this.#span, n)
  }

  /** Hands out up to `end`. Those of which there is no row were deleted by somebody else, and nothing of them is left to handle. */
  extend(end: number, rows: readonly Row[], tx: Transaction): void {
    this.#change(tx)
    const span = this.#span
    let next = span.hi
    const isWhole = rows.length === end - next
    span.hi = end
    if (isWhole) return
    for (const row of rows) {
      const n = numberOf(row[0] as number)
      while (next < n) markDone(span, next++)
      next++
    }
    while (next < end) markDone(span, next++)
    advance(span)
  }

  /** Call `advance` after the last of several. */
  settle(n: number, tx: Transaction): void {
    this.#change(tx)
    markDone(this.#span, n)
  }

  advance(): void {
    advance(this.#span)
  }

  /** Gives the partition to whoever wants it. Nothing of it is out. */
  giveUp(tx: Transaction): void {
    this.#change(tx)
    this.#writeAs(null)
  }

  /** Gives the partition up, and what is out with it, uncounted. */
  handBack(tx: Transaction): void {
    this.#change(tx)
    handBack(this.#span)
    this.#writeAs(null)
  }

  /** Nothing of it can be settled any more. @returns what was out */
  lose(): readonly Receipt[] {
    return this.#out.clear()
  }

  #hasReturned(): boolean {
    for (const { out } of this.#span.suspects.values()) if (!out) return true
    return false
  }

  /** Before the span is changed. */
  #change(tx: Transaction): void {
    if (this.#changed) return
    const before = copyOf(this.#span)
    this.#changed = true
    tx.beforeCommit(this.#write)
    tx.onRollback(() => {
      this.#span = before
      this.#changed = false
    })
  }

  /** @throws Again when the partition is not ours any more */
  #writeAs(owner: number | null): void {
    const { connection, group, topic, member } = this.#seat
    const span = this.#span
    const written = connection.run(
      'UPDATE positions SET lo = ?, hi = ?, done = ?, suspects = ?, owner = ? WHERE grp = ? AND part_id = ? AND owner = ?',
      span.lo,
      span.hi,
      encodeDone(span),
      encodeSuspects(span),
      owner,
      group,
      partId(topic, this.part),
      member,
    )
    if (written === 0) throw new Again(() => this.#onTaken(this))
    this.#changed = false
  }
}
