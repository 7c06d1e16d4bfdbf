import type { SQLInputValue } from 'node:sqlite'
import type { Row } from './open-file.ts'
import { change, newRange, type Range, type Reader, type Receipt, readNextDue, refresh, release, shareOf, windowEnd } from './reader.ts'
import { PARTITIONS } from './schema.ts'
import { advance, decodeSpan, markDone, setOut } from './span.ts'
import { decodeMessage, STORED } from './stored.ts'
import { numberOf, partId, rowOf } from './topics.ts'
import type { Transaction } from './transaction.ts'

/** Taken from one partition before the next has its turn: neighbours share pages. */
const SHORTEST_RUN = 32
const MOST_AT_ONCE = 1_000
// One turn reads no more than this; the rest comes with the next.
const BYTES_AT_ONCE = 8 * 1024 * 1024

const SELECTS = Array.from(
  { length: PARTITIONS },
  (_, part) => `SELECT seq, ${STORED} FROM log_${part} WHERE seq >= ? AND seq < ? ORDER BY seq`,
)

/** Takes partitions, gives up what others should have, and hands out what there is room for, all in the transaction. */
export function claim(reader: Reader, tx: Transaction): void {
  refresh(reader)
  balance(reader, tx)
  const { suspect, turn } = reader
  const handed: Receipt[] = []
  handOut(reader, tx, handed)
  if (handed.length === 0) return
  tx.onRollback(() => {
    for (const { range, n } of handed) (range ? range.out : reader.delayedOut).delete(n)
    reader.out -= handed.length
    reader.suspect = suspect
    reader.turn = turn
  })
  tx.afterCommit(() => reader.deliver(handed.map(({ delivery }) => delivery)))
}

/** A newcomer must get its share from those who have more, and what a member that left had is free. */
function balance(reader: Reader, tx: Transaction): void {
  const share = shareOf(reader)
  let surplus = reader.ranges.size - share
  const byUse = surplus > 0 ? Array.from(reader.ranges.values()).sort((a, b) => a.out.size - b.out.size) : reader.ranges.values()
  for (const range of byUse) {
    range.draining = surplus-- > 0
    if (range.draining && range.out.size === 0) release(reader, range, tx)
  }
  while (reader.ranges.size < share && reader.free.length > 0) take(reader, reader.free.shift() as number, tx)
}

function take(reader: Reader, part: number, tx: Transaction): void {
  const row = reader.connection.row(
    'UPDATE positions SET owner = ? WHERE grp = ? AND part_id = ? AND owner IS NULL RETURNING lo, hi, done, suspects',
    reader.member,
    reader.group,
    partId(reader.topic, part),
  )
  if (!row) return
  const span = decodeSpan(Number(row[0]), Number(row[1]), row[2] as Uint8Array | null, row[3] as string | null)
  reader.ranges.set(part, newRange(reader, part, span))
  tx.onRollback(() => reader.ranges.delete(part))
}

function handOut(reader: Reader, tx: Transaction, handed: Receipt[]): void {
  if (reader.stopped || reader.suspect || room(reader) <= 0) return
  if (handSuspect(reader, tx, handed)) return
  // Half of the room for what was delayed: neither a replay of many nor a long backlog keeps the other waiting.
  if (handDelayed(reader, Math.ceil(room(reader) / 2), handed)) return
  handReturned(reader, tx, handed)
  handNew(reader, tx, handed)
  if (room(reader) > 0) handDelayed(reader, room(reader), handed)
}

function room({ limit, out }: Reader): number {
  return Math.min(limit - out, MOST_AT_ONCE)
}

function hand(reader: Reader, range: Range | undefined, n: number, row: Row, unsettledBefore: number, handed: Receipt[]): Receipt {
  const message = decodeMessage(row, 1, reader.topicName)
  const receipt = { reader, range, n, state: 'out' } as Receipt
  receipt.delivery = { message, unsettledBefore, receipt }
  ;(range ? range.out : reader.delayedOut).set(n, receipt)
  reader.out++
  handed.push(receipt)
  return receipt
}

/** One at a time: the one that kills its process must not count for its neighbours. */
function handSuspect(reader: Reader, tx: Transaction, handed: Receipt[]): boolean {
  for (const range of reader.ranges.values()) {
    if (range.draining || range.span.suspects.size === 0) continue
    for (const [n, { count, out }] of range.span.suspects) {
      if (count === 0 || out) continue
      const receipt = handAgain(reader, range, n, count, tx, handed)
      if (receipt) {
        reader.suspect = receipt
        return true
      }
    }
  }
  return false
}

/** What its last owner gave back. */
function handReturned(reader: Reader, tx: Transaction, handed: Receipt[]): void {
  for (const range of reader.ranges.values()) {
    if (range.draining || range.span.suspects.size === 0) continue
    for (const [n, { count, out }] of [...range.span.suspects]) {
      if (room(reader) <= 0) return
      if (!out) handAgain(reader, range, n, count, tx, handed)
    }
  }
}

function handAgain(reader: Reader, range: Range, n: number, count: number, tx: Transaction, handed: Receipt[]): Receipt | undefined {
  const row = rowsOf(reader, range, n, n + 1)[0]
  change(range, tx)
  if (row) {
    setOut(range.span, n)
    return hand(reader, range, n, row, count, handed)
  }
  // Deleted by somebody else: there is nothing left to handle.
  markDone(range.span, n)
  advance(range.span)
  return undefined
}

function handNew(reader: Reader, tx: Transaction, handed: Receipt[]): void {
  const run = Math.max(SHORTEST_RUN, Math.ceil(room(reader) / Math.max(1, reader.ranges.size)))
  let bytes = 0
  let idle = 0
  while (idle < PARTITIONS && room(reader) > 0) {
    const range = reader.ranges.get(reader.turn)
    reader.turn = (reader.turn + 1) % PARTITIONS
    idle++
    if (!range || range.draining) continue
    const end = Math.min(windowEnd(reader, range), range.span.hi + Math.min(run, room(reader)))
    if (end <= range.span.hi) continue
    idle = 0
    bytes += extend(reader, range, end, tx, handed)
    if (bytes < BYTES_AT_ONCE) continue
    tx.afterCommit(() => reader.connection.hungry(reader))
    return
  }
}

/** Returns how many bytes it read. */
function extend(reader: Reader, range: Range, end: number, tx: Transaction, handed: Receipt[]): number {
  change(range, tx)
  const { span } = range
  const rows = rowsOf(reader, range, span.hi, end)
  const wanted = end - span.hi
  let next = span.hi
  let bytes = 0
  span.hi = end
  for (const row of rows) {
    const n = numberOf(row[0] as number)
    while (next < n) markDone(span, next++)
    next++
    bytes += (row[4] as Uint8Array).byteLength
    hand(reader, range, n, row, 0, handed)
  }
  while (next < end) markDone(span, next++)
  if (rows.length < wanted) advance(span)
  return bytes
}

function rowsOf({ connection, topic }: Reader, { part }: Range, from: number, to: number): readonly Row[] {
  return connection.rows(SELECTS[part] as string, rowOf(topic, from), rowOf(topic, to))
}

/** True when a suspect was handed out: then nothing else may be. */
function handDelayed(reader: Reader, most: number, handed: Receipt[]): boolean {
  const { connection, group, topic, member, clock } = reader
  if (reader.nextDueAt > clock.now()) return false
  const values: SQLInputValue[] = [group, topic.id, clock.now(), most]
  const rows = connection.rows(
    `SELECT seq, ${STORED}, unsettled FROM due WHERE grp = ? AND topic_id = ? AND owner IS NULL AND due_at <= ? ORDER BY due_at, seq LIMIT ?`,
    ...values,
  )
  let alone = false
  for (const row of rows) {
    const seq = row[0] as number
    const unsettled = row[7] as number
    // A suspect waits until nothing else of this turn is beside it; handed out alone, it is the last of it.
    if (unsettled > 0 && handed.length > 0) break
    connection.run('UPDATE due SET owner = ? WHERE seq = ?', member, seq)
    const receipt = hand(reader, undefined, seq, row, unsettled, handed)
    if (unsettled === 0) continue
    reader.suspect = receipt
    alone = true
    break
  }
  readNextDue(reader)
  return alone
}
