import { type Clock, sleep } from '../../clock.ts'
import type { Delivery, Settlement } from '../../driver.ts'
import { asError, CorebusError, SettleError } from '../../errors.ts'
import { addressOf, burialHeaders, copyOf } from './copy.ts'
import { placeFor } from './delays.ts'
import { permanent } from './failure.ts'
import { letterAddress } from './letter-target.ts'
import type { Names } from './names.ts'
import type { Publisher } from './publisher.ts'
import type { Reader } from './reader.ts'
import { Receipt } from './receipt.ts'
import type { Target } from './target.ts'
import type { Targets } from './targets.ts'
import { isBare, type Topology } from './topology.ts'
import type { Outgoing } from './wire.ts'

export interface SettleOptions {
  readonly names: Names
  readonly topology: Topology
  readonly targets: Targets
  readonly publisher: Publisher
  readonly clock: Clock
  /** The driver is being closed. */
  readonly closing: AbortSignal
}

type Copy = Exclude<Settlement, { kind: 'ack' }>

/** Stores the copies, each confirmed before its original is acknowledged: a crash in between makes a second one and loses none. */
export async function settle(settlements: readonly Settlement[], readers: readonly Reader[], options: SettleOptions): Promise<void> {
  const acked = new Map<Reader, Receipt[]>()
  const copies: { settlement: Copy; receipt: Receipt }[] = []
  for (const settlement of settlements) {
    const { receipt } = settlement.delivery
    // Settled before, lost with its channel, or somebody else's.
    if (!(receipt instanceof Receipt) || receipt.state !== 'out' || !readers.includes(receipt.reader)) continue
    // It was handed out once more: this is the settlement of the time before.
    if (receipt.delivery !== settlement.delivery) continue
    receipt.state = 'settling'
    if (settlement.kind !== 'ack') {
      copies.push({ settlement, receipt })
      continue
    }
    const ofReader = acked.get(receipt.reader)
    if (ofReader) ofReader.push(receipt)
    else acked.set(receipt.reader, [receipt])
  }
  const sent = [...acked].map(([reader, receipts]) => reader.acknowledge(receipts))
  const unstored: Delivery[] = []
  const refused = new Map<Delivery, Error>()
  let cause: Error | undefined
  await Promise.all(
    copies.map(async ({ settlement, receipt }) => {
      try {
        if (await waitedHere(settlement, receipt, options)) return
        const { target, outgoing } = copyFor(settlement, receipt, options)
        await options.publisher.store(target, outgoing)
        await receipt.reader.acknowledge([receipt])
      } catch (thrown) {
        // Lost meanwhile: it comes again by itself.
        if (receipt.state !== 'settling') return
        receipt.state = 'out'
        cause = asError(thrown)
        unstored.push(settlement.delivery)
        if (permanent(cause)) refused.set(settlement.delivery, cause)
      }
    }),
  )
  await Promise.all(sent)
  if (cause) throw new SettleError(unstored, cause, refused)
}

/**
 * A group that declared neither delays nor dead letters has no place for a copy to wait in. What it wants again waits in this process; what is for another
 * member goes back to the queue. @returns whether that is what was done
 */
async function waitedHere(settlement: Copy, receipt: Receipt, { topology, clock, closing }: SettleOptions): Promise<boolean> {
  const { reader } = receipt
  const declared = topology.group(reader.topic, reader.group)
  if (settlement.kind !== 'retry' || !declared || !isBare(declared)) return false
  await sleep(clock, settlement.afterMs, closing)
  if (!settlement.elsewhere && !closing.aborted && reader.handOutAgain(receipt, settlement.headers)) return true
  if (!declared.source || !('queue' in declared.source)) return false
  reader.requeue([receipt])
  return true
}

function copyFor(settlement: Copy, receipt: Receipt, options: SettleOptions): { target: Target; outgoing: Outgoing } {
  const { names, targets, topology, clock } = options
  const { topic, group } = receipt.reader
  const { headers } = settlement
  const declared = topology.group(topic, group)
  const copying = { delayPlace: names.delay(''), home: receipt.reader.home }
  switch (settlement.kind) {
    case 'retry': {
      const waits = settlement.afterMs > 0 && !(declared && isBare(declared))
      const ms = waits ? (placeFor(declared?.delays ?? [], settlement.afterMs) ?? Math.round(settlement.afterMs)) : 0
      const target = ms === 0 ? targets.work(topic, group) : targets.delayed(topic, group, ms)
      return { target, outgoing: copyOf(receipt.raw, headers, copying) }
    }
    case 'deadLetter': {
      const keeping = { ...copying, ...(settlement.keeps && { keeps: settlement.keeps }) }
      if (declared?.to) {
        const address = letterAddress(declared.to, addressOf(receipt.raw, receipt.reader.home))
        return { target: targets.letters(address), outgoing: copyOf(receipt.raw, headers, keeping) }
      }
      const place = declared?.place
      if (!place) throw new CorebusError('NO_PLACE', `group ${group} on topic ${topic} declared no dead letters, and has one`)
      const ttlMs = place.shared ? place.ttlMs : undefined
      const burial = burialHeaders({ topic, group, at: clock.now(), ...(ttlMs !== undefined && { ttlMs }) })
      const outgoing = copyOf(receipt.raw, { ...headers, ...burial }, keeping)
      if (ttlMs !== undefined) outgoing.properties.expiration = ttlMs
      return { target: targets.dead(topic, group, place), outgoing }
    }
  }
}
