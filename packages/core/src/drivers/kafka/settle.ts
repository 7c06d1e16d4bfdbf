import type { Delivery, Settlement } from '../../driver.ts'
import { asError, SettleError } from '../../errors.ts'
import type { Copies } from './copies.ts'
import { failureOf, isPermanent } from './failure.ts'
import type { Commits } from './group/commits.ts'
import { type Line, Receipt } from './group/line.ts'
import type { Reader } from './group/reader.ts'
import type { Topology } from './topology.ts'

export interface SettleOptions {
  readonly group: string
  readonly copies: Copies
  readonly commits: Commits
  /** Only what it has handed out is settled. */
  readonly reader: Pick<Reader, 'again' | 'has' | 'settled' | 'comeAgain'>
  readonly topology: Pick<Topology, 'keepsNothing'>
  /** It was given up before that could be committed: others will get it. */
  readonly onLost: (deliveries: readonly Delivery[]) => void
}

/** Stores the copies, each before its original is done with: a crash in between makes a second one and loses none. */
export async function settle(settlements: readonly Settlement[], options: SettleOptions): Promise<void> {
  const { group, copies, commits, reader, topology, onLost } = options
  const touched = new Set<Line>()
  const done: { readonly delivery: Delivery; readonly line: Line; readonly version: number }[] = []
  const finish = (delivery: Delivery, receipt: Receipt) => {
    const { line } = receipt
    line.done(receipt)
    done.push({ delivery, line, version: line.changed })
  }
  const lost: Delivery[] = []
  const unstored: Delivery[] = []
  const refused = new Map<Delivery, Error>()
  let cause: Error | undefined
  const storing: Promise<void>[] = []
  for (const settlement of settlements) {
    const { receipt } = settlement.delivery
    // Given back meanwhile, by a driver that is closing: it comes again.
    if (receipt instanceof Receipt && receipt.state === 'waiting') lost.push(settlement.delivery)
    // Settled before, lost, or somebody else's.
    if (!(receipt instanceof Receipt) || receipt.state !== 'out' || !reader.has(receipt.line)) continue
    const { line } = receipt
    touched.add(line)
    if (settlement.kind === 'ack') {
      finish(settlement.delivery, receipt)
      continue
    }
    if (settlement.kind === 'retry' && topology.keepsNothing(line.of, group)) {
      reader.comeAgain(receipt, settlement)
      continue
    }
    receipt.state = 'settling'
    storing.push(
      copies.settle(settlement, receipt, group, reader.again).then(
        () => finish(settlement.delivery, receipt),
        (thrown: unknown) => {
          // Lost meanwhile: it comes again by itself.
          if (receipt.state !== 'settling') return
          receipt.state = 'out'
          cause = asError(thrown)
          unstored.push(settlement.delivery)
          if (isPermanent(failureOf(cause))) refused.set(settlement.delivery, cause)
        },
      ),
    )
  }
  reader.settled()
  await Promise.all(storing)
  if (storing.length > 0) reader.settled()
  await commits.store(touched)
  lost.push(...done.filter(({ line, version }) => line.gone && line.stored < version).map(({ delivery }) => delivery))
  if (lost.length > 0) onLost(lost)
  if (cause) throw new SettleError(unstored, cause, refused)
}
