import type { Settlement } from '../../driver.ts'
import { SettleError } from '../../errors.ts'
import type { Connection } from './connection.ts'
import { insertDead, moveToDead, type Place } from './dead-letters.ts'
import { delay, delayAgain } from './delays.ts'
import type { Range } from './range.ts'
import { type Reader, Receipt } from './reader.ts'
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
  const mine = settlements.filter(({ delivery: { receipt } }) => {
    if (!(receipt instanceof Receipt) || !receipt.isOut || !options.owns(receipt.reader)) return false
    receipt.beginSettling()
    return true
  })
  if (mine.length === 0) return
  try {
    await options.connection.write((tx) => apply(mine, tx, options), { rows: mine.length })
  } catch (error) {
    const unsettled = mine.map(({ delivery }) => delivery.receipt as Receipt).filter((receipt) => receipt.isSettling)
    for (const receipt of unsettled) receipt.stopSettling()
    if (unsettled.length === 0) return
    throw new SettleError(
      unsettled.map(({ delivery }) => delivery),
      error as Error,
    )
  }
}

function apply(settlements: readonly Settlement[], tx: Transaction, options: SettleOptions): void {
  const ranges = new Set<Range>()
  const readers = new Set<Reader>()
  const settled: Receipt[] = []
  tx.onRollback(() => {
    for (const receipt of settled) receipt.reader.unsettle(receipt)
  })
  for (const settlement of settlements) {
    const receipt = settlement.delivery.receipt as Receipt
    // Lost while it waited for this transaction.
    if (!receipt.isSettling) continue
    const { range, reader } = receipt
    if (range) {
      copyFromLog(settlement, receipt, options)
      ranges.add(range)
    } else settleDelayed(settlement, receipt, options)
    reader.settle(receipt, tx)
    settled.push(receipt)
    readers.add(reader)
  }
  for (const range of ranges) range.advance()
  for (const reader of readers) options.connection.hungry(reader)
  tx.afterCommit(() => {
    for (const receipt of settled) receipt.end()
  })
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
