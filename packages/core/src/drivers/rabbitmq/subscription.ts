import type { SubscribeOptions } from '../../driver.ts'
import { joinAll } from '../memberships.ts'
import type { Member } from '../readers.ts'
import { Membership, type MembershipContext } from './membership.ts'
import { settle } from './settle.ts'

/** @throws CorebusError GROUP_TAKEN */
export function subscribe(options: SubscribeOptions, context: MembershipContext): Promise<Member> {
  return joinAll({
    ...options,
    join: (topic, events) => new Membership(topic, options, context, events),
    settle: (settlements, memberships) => {
      const readers = memberships.flatMap((membership) => membership.readers)
      return settle(settlements, readers, context)
    },
  })
}
