import type { SubscriptionState } from '../driver.ts'

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
  readonly stuck: number
  /** Handled, while the broker has not taken the settlement yet. */
  readonly unsettled: number
  /** How long the oldest unsettled delivery has been here, while nothing was settled. */
  readonly waitingMs: number
}
