import { type Clock, Hold, sleep, systemClock } from './clock.ts'
import type { Admin, DeadLetterFilter } from './driver.ts'
import { HEADER } from './wire/headers.ts'

const BATCH = 100

export interface ReplayOptions {
  /** At most so many a second. Default: as fast as the broker takes them. */
  readonly perSecond?: number
  readonly clock?: Clock
  /** Called after every batch with how many have gone so far. */
  readonly onProgress?: (replayed: number) => void
}

/**
 * Hands dead letters back to the group that gave up on them, and to no other group, with their attempts counted from 1 again. One that fails
 * again comes back as a new dead letter; each letter that is there now is replayed once.
 */
export async function replayDeadLetters(admin: Admin, filter: DeadLetterFilter, options: ReplayOptions = {}): Promise<number> {
  const hold = new Hold()
  hold.on()
  try {
    return await replayListed(admin, filter, options)
  } finally {
    hold.end()
  }
}

async function replayListed(
  admin: Admin,
  filter: DeadLetterFilter,
  { perSecond, clock = systemClock, onProgress }: ReplayOptions,
): Promise<number> {
  // Listed first: a letter that fails at once and comes back must not go round and round.
  const letters = await admin.deadLetters(filter)
  let replayed = 0
  const size = Math.max(1, Math.min(BATCH, Math.floor(perSecond ?? BATCH)))
  for (const [place, ofPlace] of Map.groupBy(letters, ({ group, message }) => JSON.stringify([message.topic, group]))) {
    const [topic, group] = JSON.parse(place) as [string, string]
    const ids = [...new Set(ofPlace.map(({ message }) => message.id))]
    for (let i = 0; i < ids.length; i += size) {
      const startedAt = clock.now()
      const batch = ids.slice(i, i + size)
      replayed += await admin.replay({ ...filter, topic, group, ids: batch }, { [HEADER.attempt]: '1', [HEADER.snoozes]: '0' })
      onProgress?.(replayed)
      if (perSecond !== undefined && i + size < ids.length)
        await sleep(clock, (batch.length * 1_000) / perSecond - (clock.now() - startedAt))
    }
  }
  return replayed
}
