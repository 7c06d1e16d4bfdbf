import type { SubscriptionState } from '../driver.ts'
import type { Work } from './work.ts'

/** How a group does, for health checks. */
export interface GroupHealth {
  readonly group: string
  readonly state: SubscriptionState['kind'] | 'starting' | 'stopped'
  readonly running: number
  readonly stuck: number
  /** How long the oldest unsettled delivery has been here, while nothing was settled. */
  readonly waitingMs: number
}

export interface GroupWork extends Pick<GroupHealth, 'group' | 'state'> {
  /** All that is here and not settled. */
  readonly works: Iterable<Work>
  readonly running: ReadonlySet<Work>
  readonly lastSettledAt: number
  readonly now: number
}

export function healthOf({ group, state, works, running, lastSettledAt, now }: GroupWork): GroupHealth {
  let oldest = Number.POSITIVE_INFINITY
  for (const work of works) oldest = Math.min(oldest, work.arrivedAt)
  return {
    group,
    state,
    running: running.size,
    stuck: [...running].filter((work) => work.stuck).length,
    waitingMs: oldest === Number.POSITIVE_INFINITY ? 0 : now - Math.max(oldest, lastSettledAt),
  }
}
