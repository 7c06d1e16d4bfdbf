import type { SubscribeOptions, Subscription, SubscriptionState } from '../../driver.ts'
import { Membership, type MembershipContext } from './membership.ts'
import { settle } from './settle.ts'

/** A subscription as its driver sees it. */
export interface Member extends Subscription {
  /** Stops, gives back what is not settled, and settles nothing from then on. */
  end(): Promise<void>
}

/** @throws CorebusError GROUP_TAKEN */
export async function subscribe(options: SubscribeOptions, context: MembershipContext): Promise<Member> {
  const settling = new Set<Promise<void>>()
  let state: SubscriptionState['kind'] | 'new' = 'new'
  let said: string | undefined
  let stopped: Promise<unknown> | undefined
  let ended: Promise<void> | undefined

  const memberships = [...new Set(options.topics)].map(
    (topic) => new Membership(topic, options, context, { onTrouble, onKeptAway, onBack, onDeleted }),
  )

  function onTrouble(error: Error): void {
    if (state !== 'consuming' || stopped) return
    state = 'reconnecting'
    options.onState({ kind: 'reconnecting', error })
  }

  function onKeptAway(error: Error): void {
    if (state !== 'reconnecting' || stopped || error.message === said) return
    said = error.message
    options.onState({ kind: 'reconnecting', error })
  }

  function onBack(): void {
    if (state === 'consuming' || stopped || !memberships.every(({ isOpen }) => isOpen)) return
    state = 'consuming'
    said = undefined
    options.onState({ kind: 'consuming' })
  }

  /** Nothing has to come back, and it has to be said all the same. */
  function onDeleted(error: Error): void {
    onTrouble(error)
    onBack()
  }

  async function settleAndLeave(settlements: Parameters<Subscription['settle']>[0]): Promise<void> {
    await settle(settlements, memberships, context)
    if (stopped) await Promise.all(memberships.map((membership) => membership.settled()))
  }

  function stop(): Promise<unknown> {
    stopped ??= Promise.all(memberships.map((membership) => membership.stop()))
    return stopped
  }

  async function end(): Promise<void> {
    await stop()
    await Promise.all(memberships.map((membership) => membership.end()))
    await Promise.all(settling)
  }

  const begun = await Promise.allSettled(memberships.map((membership) => membership.begin()))
  const failed = begun.find((one) => one.status === 'rejected')
  if (failed) {
    await end()
    throw failed.reason
  }
  onBack()

  return {
    settle(settlements) {
      const work = settleAndLeave(settlements)
      const tracked: Promise<void> = work.catch(() => {}).finally(() => settling.delete(tracked))
      settling.add(tracked)
      return work
    },
    limit(deliveries) {
      for (const { holdings } of memberships) holdings.limit(deliveries)
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
