import type { Clock, Settlement, SubscribeOptions, Subscription } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import type { Broker } from './broker.ts'
import type { Group } from './group.ts'
import { type PlaceOf, store } from './letters.ts'
import { Member, Receipt, withHeaders } from './member.ts'

export interface MemorySubscription extends Subscription {
  /** Gives back what is unsettled, uncounted. */
  handBack(): void
}

export interface Joining {
  readonly broker: Broker
  readonly groups: readonly Group[]
  readonly clock: Clock
  readonly placeOf: PlaceOf
}

/** @throws CorebusError GROUP_TAKEN when the group has a member and one of the two wants it alone. */
export function join({ broker, groups, clock, placeOf }: Joining, options: SubscribeOptions): MemorySubscription {
  for (const { members, name, topic } of groups)
    if (members.length > 0 && (options.exclusive || members.some(({ exclusive }) => exclusive)))
      throw new CorebusError(
        'GROUP_TAKEN',
        `group "${name}" already has a member on topic "${topic}", and it takes one at a time: stop the other first`,
      )

  const members = groups.map((group) => new Member(group, options))
  for (const member of members) member.group.join(member)

  const settleOne = (settlement: Settlement) => {
    const { receipt } = settlement.delivery
    if (!(receipt instanceof Receipt)) return
    const { member, kept } = receipt
    // Settled before, handed back, or another subscription's.
    if (!member || !members.includes(member)) return
    const { group } = member
    switch (settlement.kind) {
      case 'ack':
        break
      case 'retry': {
        const copy = {
          message: withHeaders(kept.message, settlement.headers),
          at: kept.at,
          ...(settlement.elsewhere && { notFor: member }),
        }
        if (settlement.afterMs > 0) broker.delay(group, copy, settlement.afterMs, clock)
        else group.addAgain(copy)
        break
      }
      case 'deadLetter': {
        store({ group, message: withHeaders(kept.message, settlement.headers) }, { broker, clock, placeOf })
        break
      }
    }
    group.settle(receipt, member)
  }

  return {
    async settle(settlements) {
      for (const settlement of settlements) settleOne(settlement)
    },
    limit(deliveries) {
      for (const member of members) member.limit = deliveries
    },
    async stop() {
      for (const member of members) member.group.leave(member)
    },
    handBack() {
      for (const member of members) member.group.handBack(member)
    },
  }
}
