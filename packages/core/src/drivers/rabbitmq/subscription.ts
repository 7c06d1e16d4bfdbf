import type { SubscribeOptions, Subscription } from '../../driver.ts'
import type { Member } from '../readers.ts'
import { SubscriptionStates } from '../states.ts'
import { Membership, type MembershipContext } from './membership.ts'
import { settle } from './settle.ts'

/** @throws CorebusError GROUP_TAKEN */
export async function subscribe(options: SubscribeOptions, context: MembershipContext): Promise<Member> {
  const settling = new Set<Promise<void>>()
  let stopped: Promise<unknown> | undefined
  let ended: Promise<void> | undefined

  const states = new SubscriptionStates({ onState: options.onState, isOpen: () => memberships.every(({ reader }) => reader.isOpen) })
  const said = {
    onTrouble: (error: Error) => states.trouble(error),
    onKeptAway: (error: Error) => states.keptAway(error),
    onBack: () => states.back(),
    onNotice: (error: Error) => states.notice(error),
  }
  const memberships: readonly Membership[] = [...new Set(options.topics)].map((topic) => new Membership(topic, options, context, said))
  const readers = memberships.map(({ reader }) => reader)

  async function settleAndSay(settlements: Parameters<Subscription['settle']>[0]): Promise<void> {
    await settle(settlements, readers, context)
    if (stopped && options.exclusive) await Promise.all(memberships.map((membership) => membership.settled()))
  }

  function stop(): Promise<unknown> {
    states.end()
    stopped ??= Promise.all(memberships.map((membership) => membership.stop()))
    return stopped
  }

  async function end(): Promise<void> {
    await stop()
    await Promise.all(settling)
    await Promise.all(memberships.map((membership) => membership.end()))
  }

  const begun = await Promise.allSettled(memberships.map((membership) => membership.begin()))
  const failed = begun.find((one) => one.status === 'rejected')
  if (failed) {
    await end()
    throw failed.reason
  }
  states.back()

  return {
    settle(settlements) {
      const work = settleAndSay(settlements)
      const tracked: Promise<void> = work.catch(() => {}).finally(() => settling.delete(tracked))
      settling.add(tracked)
      return work
    },
    limit(deliveries) {
      for (const reader of readers) reader.limit(deliveries)
    },
    async stop() {
      await stop()
    },
    end() {
      ended ??= end()
      return ended
    },
  }
}
