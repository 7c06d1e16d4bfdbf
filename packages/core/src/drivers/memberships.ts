import type { Settlement, SubscribeOptions } from '../driver.ts'
import type { Member } from './readers.ts'
import { SubscriptionStates } from './states.ts'

/** What a membership in one topic says of itself. */
export interface MembershipEvents {
  readonly onTrouble: (error: Error) => void
  /** Why it does not come back: the broker answers, and refuses. */
  readonly onKeptAway: (error: Error) => void
  readonly onBack: () => void
  /** Found something that keeps nobody from reading, and has to be said. */
  readonly onNotice: (error: Error) => void
}

/** One member's part in one topic. */
export interface TopicMembership {
  /** Whether the topic can be read now. */
  readonly isOpen: boolean
  begin(): Promise<void>
  limit(deliveries: number): void
  /** No new delivery reaches the core. */
  stop(): Promise<void>
  /** Something of a stopped member was settled. With the last of it a member that held the group alone leaves. */
  settled(): Promise<void>
  /** Gives back what is not settled, and ends. `settling` resolves when no settlement is on its way any more. */
  end(settling: () => Promise<unknown>): Promise<void>
}

export interface MembershipsOptions<M> {
  readonly topics: SubscribeOptions['topics']
  readonly onState: SubscribeOptions['onState']
  readonly join: (topic: string, events: MembershipEvents) => M
  readonly settle: (settlements: readonly Settlement[], memberships: readonly M[]) => Promise<void>
}

/** A subscription that is one membership for each of its topics. @throws what the first that cannot begin throws; none is left then. */
export async function joinAll<M extends TopicMembership>({ topics, onState, join, settle }: MembershipsOptions<M>): Promise<Member> {
  const settling = new Set<Promise<void>>()
  let stopped: Promise<unknown> | undefined
  let ended: Promise<void> | undefined

  const states = new SubscriptionStates({ onState, isOpen: () => memberships.every(({ isOpen }) => isOpen) })
  const events: MembershipEvents = {
    onTrouble: (error) => states.trouble(error),
    onKeptAway: (error) => states.keptAway(error),
    onBack: () => states.back(),
    onNotice: (error) => states.notice(error),
  }
  const memberships: readonly M[] = [...new Set(topics)].map((topic) => join(topic, events))

  async function settleAndLeave(settlements: readonly Settlement[]): Promise<void> {
    await settle(settlements, memberships)
    if (stopped) await Promise.all(memberships.map((membership) => membership.settled()))
  }

  function stop(): Promise<unknown> {
    states.end()
    stopped ??= Promise.all(memberships.map((membership) => membership.stop()))
    return stopped
  }

  async function end(): Promise<void> {
    await stop()
    await Promise.all(memberships.map((membership) => membership.end(() => Promise.all(settling))))
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
      const work = settleAndLeave(settlements)
      const tracked: Promise<void> = work.catch(() => {}).finally(() => settling.delete(tracked))
      settling.add(tracked)
      return work
    },
    limit(deliveries) {
      for (const membership of memberships) membership.limit(deliveries)
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
