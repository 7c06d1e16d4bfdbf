import type { Clock, Delivery } from '../../driver.ts'
import type { Connection } from './connection.ts'
import { PARTITIONS } from './schema.ts'
import { copyOf, encodeDone, encodeSuspects, type Span } from './span.ts'
import { partId, type Topic, type Topics } from './topics.ts'
import { Again, type Transaction } from './transaction.ts'

/** A partition that is ours. Nobody else writes its row, so memory is what the file says. */
export interface Range {
  readonly part: number
  span: Span
  readonly out: Map<number, Receipt>
  /** Another member shall have it as soon as nothing of it is out. */
  draining: boolean
  changed: boolean
  readonly write: () => void
}

/** What a delivery is to us. `n` is its number in the partition, without a range its row among the delayed. */
export interface Receipt {
  readonly reader: Reader
  readonly range: Range | undefined
  readonly n: number
  delivery: Delivery
  /** Only what is out can be settled: once, and not after it was lost. */
  state: 'out' | 'settling' | 'over'
}

/** One (group, topic) of one subscription. */
export interface Reader {
  readonly connection: Connection
  readonly topics: Topics
  readonly clock: Clock
  readonly group: string
  readonly topic: Topic
  /** Without the prefix. */
  readonly topicName: string
  readonly member: number
  readonly ranges: Map<number, Range>
  readonly delayedOut: Map<number, Receipt>
  out: number
  /** The one that was out when its owner died: nothing else is handed out beside it, or it would take that along when it kills us too. */
  suspect: Receipt | undefined
  limit: number
  stopped: boolean
  /** Where the next round over the partitions begins. */
  turn: number
  /** Read from the file, at generation `lookedAt`. */
  lookedAt: number
  members: number
  free: number[]
  nextDueAt: number
  /** Others hold what we could handle. */
  starved: boolean
  cancelDue: (() => void) | undefined
  readonly deliver: (deliveries: readonly Delivery[]) => void
  readonly lost: (deliveries: readonly Delivery[]) => void
  eat(tx: Transaction): void
  trouble(error: Error): void
}

/** How far past the oldest unsettled message of a partition another may be handed out, in limits. */
const WINDOW = 50

export function windowEnd(reader: Reader, { span, part }: Range): number {
  return Math.min(reader.topic.heads[part] as number, span.lo + WINDOW * reader.limit)
}

/** Partitions that are ours to have while there are so many members. */
export function shareOf({ stopped, limit, members }: Reader): number {
  return stopped || limit === 0 ? 0 : Math.ceil(PARTITIONS / Math.max(1, members))
}

/** Reads what others may have changed. True when there is something for us to write. */
export function look(reader: Reader): boolean {
  refresh(reader)
  return wantsTurn(reader)
}

export function refresh(reader: Reader): void {
  const { connection, topics, topic, group, member } = reader
  if (reader.lookedAt === connection.generation) return
  topics.refresh(topic)
  const first = partId(topic, 0)
  const rows = connection.rows(
    'SELECT part_id, lo, hi, owner FROM positions WHERE grp = ? AND part_id BETWEEN ? AND ?',
    group,
    first,
    first + PARTITIONS - 1,
  )
  reader.free = []
  reader.starved = false
  for (const [id, lo, hi, owner] of rows) {
    const part = Number(id) - first
    if (owner === null) reader.free.push(part)
    else if (owner !== member && (Number(lo) < Number(hi) || Number(hi) < (topic.heads[part] as number))) reader.starved = true
  }
  reader.members = Number(
    connection.row('SELECT count(*) FROM reading WHERE grp = ? AND topic_id = ? AND paused = 0', group, topic.id)?.[0],
  )
  readNextDue(reader)
  reader.lookedAt = connection.generation
}

export function readNextDue(reader: Reader): void {
  const found = reader.connection.row(
    'SELECT min(due_at) FROM due WHERE grp = ? AND topic_id = ? AND owner IS NULL',
    reader.group,
    reader.topic.id,
  )?.[0]
  dueAt(reader, typeof found === 'number' ? found : Number.POSITIVE_INFINITY)
}

/** Sets the timer for the next delayed message. */
export function dueAt(reader: Reader, at: number): void {
  reader.cancelDue?.()
  reader.cancelDue = undefined
  reader.nextDueAt = at
  if (reader.stopped || at === Number.POSITIVE_INFINITY) return
  // Without room a settlement brings the next turn. With room, what fell due since it was looked for must not wait for another event.
  const inMs = at - reader.clock.now()
  if (inMs <= 0 && (reader.suspect || reader.out >= reader.limit)) return
  reader.cancelDue = reader.clock.after(Math.max(inMs, 1), () => {
    // Timers may fire a millisecond early, and the longest is shorter than a month.
    if (reader.clock.now() < at) dueAt(reader, at)
    else reader.connection.hungry(reader)
  })
}

function wantsTurn(reader: Reader): boolean {
  const share = shareOf(reader)
  const { ranges, free, suspect, limit, out, nextDueAt, clock, stopped } = reader
  if (ranges.size < share && free.length > 0) return true
  if (ranges.size > share && Array.from(ranges.values()).some((range) => range.out.size === 0)) return true
  if (stopped || suspect || out >= limit) return false
  if (nextDueAt <= clock.now()) return true
  return Array.from(ranges.values()).some(
    (range) => !range.draining && (hasHandedBack(range.span) || windowEnd(reader, range) > range.span.hi),
  )
}

function hasHandedBack({ suspects }: Span): boolean {
  for (const { out } of suspects.values()) if (!out) return true
  return false
}

export function newRange(reader: Reader, part: number, span: Span): Range {
  const write = () => {
    if (!range.changed) return
    if (writeSpan(reader, range, reader.member) === 0) throw new Again(() => lose(reader, range))
    range.changed = false
  }
  const range: Range = { part, span, out: new Map(), draining: false, changed: false, write }
  return range
}

/** Call before changing the span. */
export function change(range: Range, tx: Transaction): void {
  if (range.changed) return
  const before = copyOf(range.span)
  range.changed = true
  tx.beforeCommit(range.write)
  tx.onRollback(() => {
    range.span = before
    range.changed = false
  })
}

/** Gives the partition back. Nothing of it is out. */
export function release(reader: Reader, range: Range, tx: Transaction): void {
  change(range, tx)
  if (writeSpan(reader, range, null) === 0) throw new Again(() => lose(reader, range))
  range.changed = false
  reader.ranges.delete(range.part)
  tx.onRollback(() => reader.ranges.set(range.part, range))
  tx.afterCommit(() => reader.connection.changed())
}

/** Returns 0 when the partition is not ours any more. */
function writeSpan(reader: Reader, { part, span }: Range, owner: number | null): number {
  return reader.connection.run(
    'UPDATE positions SET lo = ?, hi = ?, done = ?, suspects = ?, owner = ? WHERE grp = ? AND part_id = ? AND owner = ?',
    span.lo,
    span.hi,
    encodeDone(span),
    encodeSuspects(span),
    owner,
    reader.group,
    partId(reader.topic, part),
    reader.member,
  )
}

/** Somebody took us for dead, as when the owners' files were removed. */
function lose(reader: Reader, range: Range): void {
  reader.ranges.delete(range.part)
  const gone = loseRange(reader, range)
  reader.connection.changed()
  if (gone.length > 0) reader.lost(gone)
}

/** Nothing of it can be settled any more. Returns what was out. */
export function loseRange(reader: Reader, range: Range): readonly Delivery[] {
  const gone = over(reader, range.out.values())
  range.out.clear()
  return gone
}

/** The file is gone, and everything with it. Returns what was out. */
export function loseAll(reader: Reader): readonly Delivery[] {
  const gone = [
    ...Array.from(reader.ranges.values()).flatMap((range) => loseRange(reader, range)),
    ...over(reader, reader.delayedOut.values()),
  ]
  reader.ranges.clear()
  reader.delayedOut.clear()
  reader.cancelDue?.()
  reader.connection.notHungry(reader)
  return gone
}

function over(reader: Reader, receipts: Iterable<Receipt>): Delivery[] {
  const deliveries: Delivery[] = []
  for (const receipt of receipts) {
    receipt.state = 'over'
    reader.out--
    if (reader.suspect === receipt) reader.suspect = undefined
    deliveries.push(receipt.delivery)
  }
  return deliveries
}
