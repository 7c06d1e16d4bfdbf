import type { Delivery, Settlement } from '../../driver.ts'
import { asError, SettleError } from '../../errors.ts'
import { isForGood, refusalOf } from './failure.ts'
import { type Lease, Receipt } from './holdings.ts'
import { storeLetter } from './letter-target.ts'
import type { Argument } from './link.ts'
import type { Membership, MembershipContext } from './membership.ts'
import { acknowledge, bury, letter, retry } from './scripts/settle.ts'
import { placeFor } from './topology.ts'
import { fieldOf } from './wire.ts'

export type SettleContext = Pick<MembershipContext, 'registry' | 'topology' | 'address'>

type Copy = Exclude<Settlement, { kind: 'ack' }>

/** Each membership's acknowledgements in one script; each copy in a script that takes its original out of the group in the same step. */
export async function settle(
  settlements: readonly Settlement[],
  memberships: readonly Membership[],
  context: SettleContext,
): Promise<void> {
  const acked = new Map<Membership, Receipt[]>()
  const work: Promise<void>[] = []
  const unstored: Delivery[] = []
  const refused = new Map<Delivery, Error>()
  let cause: Error | undefined
  const failed = (receipts: readonly Receipt[], error: Error) => {
    for (const receipt of receipts) {
      // Lost meanwhile: it comes again by itself.
      if (receipt.state !== 'settling') continue
      receipt.state = 'out'
      const why = refusalOf(error, context.address.where)
      cause = why
      unstored.push(receipt.delivery)
      if (isForGood(why)) refused.set(receipt.delivery, why)
    }
  }
  for (const settlement of settlements) {
    const { receipt } = settlement.delivery
    // Settled before, lost with its membership, or somebody else's.
    if (!(receipt instanceof Receipt) || receipt.state !== 'out') continue
    const membership = memberships.find(({ holdings }) => holdings === receipt.holdings)
    const lease = membership?.lease
    if (!membership || !lease) continue
    receipt.state = 'settling'
    if (settlement.kind === 'ack') {
      const ofMembership = acked.get(membership)
      if (ofMembership) ofMembership.push(receipt)
      else acked.set(membership, [receipt])
    } else work.push(store(settlement, receipt, membership, lease, context).catch((thrown: unknown) => failed([receipt], asError(thrown))))
  }
  for (const [membership, receipts] of acked)
    work.push(acknowledgeAll(receipts, membership).catch((thrown: unknown) => failed(receipts, asError(thrown))))
  await Promise.all(work)
  if (cause) throw new SettleError(unstored, cause, refused)
}

async function acknowledgeAll(receipts: readonly Receipt[], membership: Membership): Promise<void> {
  const { lease } = membership
  if (!lease) return
  const ids: string[] = []
  const ofGroup: string[] = []
  for (const { which, entry } of receipts) (which === 1 ? ids : ofGroup).push(entry.id)
  if ((await membership.run(acknowledge, lease, [String(ids.length), membership.isShared ? '1' : '0', ...ids, ...ofGroup])) !== undefined)
    membership.holdings.settle(receipts)
}

async function store(
  { kind, headers, ...settlement }: Copy,
  receipt: Receipt,
  membership: Membership,
  lease: Lease,
  { registry, topology }: SettleContext,
): Promise<void> {
  const { topic, group, stream, keys, holdings } = membership
  const { which, entry, delivery } = receipt
  const elsewhere = kind === 'deadLetter' ? topology.group(topic, group)?.to : undefined
  const over: Argument[] = Object.entries(headers).flatMap(([name, value]) => [fieldOf(name), value])
  const args = (ms: number): Argument[] => [...[String(which), entry.id, delivery.message.id, String(ms), String(over.length)], ...over]
  const place = kind === 'deadLetter' && elsewhere === undefined ? placeFor(topology, topic, group) : undefined
  const afterMs = 'afterMs' in settlement ? Math.max(0, Math.ceil(settlement.afterMs)) : 0
  const to = place && registry.keyOf(place, stream)
  const run = (given: readonly Argument[]) => {
    if (elsewhere !== undefined) return membership.run(letter, lease, [...args(0), ...given], { bytes: true })
    return to
      ? membership.run(bury, lease, [...args(place.ttlMs), ...given], { keys: [...keys, to], bytes: true })
      : membership.run(retry, lease, [...args(afterMs), ...given])
  }
  // The original lies on the server, unless somebody has deleted it.
  let stored = await run([])
  if (String(stored) === 'missing') stored = await run(entry.fields)
  if (stored === undefined) return
  if (Array.isArray(stored)) {
    const fields = stored as readonly Buffer[]
    if (elsewhere !== undefined) await storeLetter(fields, { to: elsewhere, write: (...said) => membership.write(...said) })
    else if (to) await membership.write(to, ['XADD', to, '*', ...fields])
    await acknowledgeAll([receipt], membership)
    return
  }
  holdings.settle([receipt])
  if (kind === 'retry') membership.dueIn(afterMs)
}
