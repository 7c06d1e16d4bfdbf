import type { Settlement } from '../../driver.ts'
import { SettleError } from '../../errors.ts'
import type { Connection } from './connection.ts'
import { insertDead, moveToDead, type Place } from './dead-letters.ts'
import { delay, delayAgain } from './delays.ts'
import { change, type Range, type Reader, type Receipt } from './reader.ts'
import { advance, markDone } from './span.ts'
import type { Transaction } from './transaction.ts'

export interface SettleOptions {
  readonly connection: Connection
  /** Settlements of another subscription's deliveries are not ours to make. */
  readonly owns: (reader: Reader) => boolean
  /** Where the dead letters of the reader's group and topic go. */
  readonly placeOf: (reader: Reader) => Place
  /** A copy will be due then; whoever reads the same must know. */
  readonly onDelayed: (reader: Reader, dueAt: number) => void
}

/** All in one transaction: copy and acknowledgement, so that a crash neither loses nor doubles a message. */
export async function settle(settlements: readonly Settlement[], options: SettleOptions): Promise<void> {
  const mine = settlements.filter(({ delivery }) => {
    const receipt = delivery.receipt as Receipt
    if (receipt.state !== 'out' || !options.owns(receipt.reader)) return false
    receipt.state = 'settling'
    return true
  })
  if (mine.length === 0) return
  try {
    await options.connection.write((tx) => apply(mine, tx, options), { rows: mine.length })
  } catch (error) {
    const unsettled = mine.map(({ delivery }) => delivery).filter(({ receipt }) => (receipt as Receipt).state === 'settling')
    for (const { receipt } of unsettled) (receipt as Receipt).state = 'out'
    if (unsettled.length > 0) throw new SettleError(unsettled, error as Error)
  }
}

function apply(settlements: readonly Settlement[], tx: Transaction, options: SettleOptions): void {
  const ranges = new Set<Range>()
  const readers = new Set<Reader>()
  const settled: Receipt[] = []
  tx.onRollback(() => {
    for (const receipt of settled) putBack(receipt)
  })
  for (const settlement of settlements) {
    const receipt = settlement.delivery.receipt as Receipt
    // Lost while it waited for this transaction.
    if (receipt.state !== 'settling') continue
    const { range, reader } = receipt
    if (range) {
      change(range, tx)
      copyFromLog(settlement, receipt, options)
      markDone(range.span, receipt.n)
      range.out.delete(receipt.n)
      ranges.add(range)
    } else {
      settleDelayed(settlement, receipt, options)
      reader.delayedOut.delete(receipt.n)
    }
    reader.out--
    if (reader.suspect === receipt) reader.suspect = undefined
    settled.push(receipt)
    readers.add(reader)
  }
  for (const { span } of ranges) advance(span)
  for (const reader of readers) options.connection.hungry(reader)
  tx.afterCommit(() => {
    for (const receipt of settled) receipt.state = 'over'
  })
}

function putBack(receipt: Receipt): void {
  const { reader, range } = receipt
  ;(range ? range.out : reader.delayedOut).set(receipt.n, receipt)
  reader.out++
  if (receipt.delivery.unsettledBefore > 0) reader.suspect = receipt
}

function copyFromLog(settlement: Settlement, receipt: Receipt, { connection, placeOf, onDelayed }: SettleOptions): void {
  switch (settlement.kind) {
    case 'ack':
      return
    case 'retry':
      onDelayed(receipt.reader, delay(connection, receipt, settlement))
      return
    case 'deadLetter':
      insertDead(connection, receipt, settlement.headers, placeOf(receipt.reader))
      return
  }
}

function settleDelayed(settlement: Settlement, receipt: Receipt, { connection, placeOf, onDelayed }: SettleOptions): void {
  switch (settlement.kind) {
    case 'ack':
      connection.run('DELETE FROM due WHERE seq = ? AND owner = ?', receipt.n, receipt.reader.member)
      return
    case 'retry':
      onDelayed(receipt.reader, delayAgain(connection, receipt, settlement))
      return
    case 'deadLetter':
      moveToDead(connection, receipt, settlement.headers, placeOf(receipt.reader))
      return
  }
}
