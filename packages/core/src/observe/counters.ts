/**
 * Since the instance was made. `lost`: deliveries taken from us. `stale`: handled, but no longer ours to settle. `withoutId`: foreign
 * messages that an inbox cannot know.
 */
export interface Counters {
  published: number
  publishFailed: number
  handled: number
  retried: number
  dead: number
  dropped: number
  skipped: number
  lost: number
  stale: number
  snoozed: number
  /** Given back for another member of the group, which handles what this one does not. */
  passedOn: number
  withoutId: number
}

export const newCounters = (): Counters => ({
  published: 0,
  publishFailed: 0,
  handled: 0,
  retried: 0,
  dead: 0,
  dropped: 0,
  skipped: 0,
  lost: 0,
  stale: 0,
  snoozed: 0,
  passedOn: 0,
  withoutId: 0,
})
