import type { SubscriptionState } from '../driver.ts'
import { told } from '../observe/described.ts'
import { oneLine } from '../observe/readable.ts'
import type { Running, Work } from './work.ts'

export interface Health {
  /** No handler past time-out and grace, no subscription dead. An absent broker is live. */
  readonly live: boolean
  /** Connected, subscribed, no group holds messages and has settled none for `stalledMs` (5 min). */
  readonly ready: boolean
  /** Why not, in words. */
  readonly reasons: readonly string[]
  readonly groups: readonly GroupHealth[]
}

/** How this group does, for health checks. */
export interface GroupHealth {
  readonly group: string
  readonly state: SubscriptionState['kind'] | 'starting' | 'stopped'
  readonly running: number
  /** What runs: the messages and for how long; at most five of them, the longest first. */
  readonly handling: readonly string[]
  readonly stuck: number
  /** Handled, while the broker has not taken the settlement yet. */
  readonly unsettled: number
  /** Messages that the broker refuses to store in any form, and why; at most five of them. They are among the unsettled ones. */
  readonly unstorable: readonly string[]
  /** How long the oldest unsettled delivery has been here, while nothing was settled. */
  readonly waitingMs: number
}

const MOST_NAMED = 5
const MOST_WORDS = 1_000

/** What a group says of all that was handed to it and is not settled. */
export function healthOf(
  ours: readonly Work[],
  { group, state, running, current, now, lastSettledAt }: Pick<GroupHealth, 'group' | 'state'> & Moment,
): GroupHealth {
  const runningWorks = [...new Set(current ? [...running, current] : running)].sort((a, b) => (a.runningSince ?? 0) - (b.runningSince ?? 0))
  const oldest = ours.reduce((at, { arrivedAt }) => Math.min(at, arrivedAt), Number.POSITIVE_INFINITY)
  const unstorable = ours.flatMap(({ unstorable: why, message }) =>
    why ? oneLine(told(`message ${message.id} of ${message.topic}: ${why.message}`, MOST_WORDS)) : [],
  )
  return {
    group,
    state,
    running: running.size,
    handling: runningWorks
      .slice(0, MOST_NAMED)
      .map(({ message, runningSince = now }) =>
        oneLine(told(`message ${message.id} of ${message.topic}, for ${Math.round(now - runningSince)} ms`, MOST_WORDS)),
      ),
    stuck: [...running].filter((work) => work.stuck).length,
    unsettled: ours.filter(({ outcome }) => outcome !== undefined).length,
    unstorable: unstorable.slice(0, MOST_NAMED),
    waitingMs: ours.length === 0 ? 0 : now - Math.max(oldest, lastSettledAt),
  }
}

interface Moment {
  readonly running: Running
  /** The message whose handler is being called at this very moment. */
  readonly current: Work | undefined
  readonly now: number
  readonly lastSettledAt: number
}
