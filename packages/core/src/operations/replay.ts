import { type Clock, held, monotonic, sleep, systemClock } from '../clock.ts'
import type { Admin, DeadLetter, DeadLetterFilter } from '../driver.ts'
import { checkOptions } from '../options/check.ts'
import { callable, having, must, type Option } from '../options/option.ts'
import { HEADER } from '../wire/headers.ts'

/** Read at once, and handed back at once where no rate is asked for: never all of a million letters, with their bodies. */
const PAGE = 500
const MOST_AT_A_RATE = 100

export interface ReplayOptions {
  /** At most so many a second. Default: as fast as the broker takes them. */
  readonly perSecond?: number
  readonly clock?: Clock
  /** Called after every batch with how many have gone so far. */
  readonly onProgress?: (replayed: number) => void
}

export const REPLAY: Readonly<Record<keyof ReplayOptions, Option>> = {
  perSecond: {
    default: 'as fast as the broker takes them',
    must: must('a number above 0', (value) => typeof value === 'number' && value > 0),
    text: 'at most so many a second',
  },
  clock: { default: "the system's", must: having('now', 'after'), text: '`{ now, after }`: time, for tests' },
  onProgress: { default: 'none', must: callable, text: 'called after every batch with how many have gone so far' },
}

/**
 * Hands dead letters back to the group that gave up on them, and to no other group, with their attempts counted from 1 again. One that fails
 * again comes back as a new dead letter; each letter is replayed once, also one that comes while this runs.
 */
export async function replayDeadLetters(admin: Admin, filter: DeadLetterFilter, options: ReplayOptions = {}): Promise<number> {
  checkOptions('replayDeadLetters', options, REPLAY)
  return held(() => replayListed(admin, filter, options))
}

async function replayListed(
  admin: Admin,
  filter: DeadLetterFilter,
  { perSecond, clock = systemClock, onProgress }: ReplayOptions,
): Promise<number> {
  const limit = perSecond === undefined ? PAGE : Math.max(1, Math.min(MOST_AT_A_RATE, Math.floor(perSecond)))
  // A letter that fails again at once comes back behind the others: it is known by then, and does not go round and round.
  const seen = new Set<string>()
  let replayed = 0
  for (;;) {
    const startedAt = monotonic(clock)
    const page = await admin.deadLetters(filter, { limit: PAGE })
    const fresh = page.filter((letter) => !seen.has(nameOf(letter))).slice(0, limit)
    if (fresh.length === 0) return replayed
    for (const letter of fresh) seen.add(nameOf(letter))
    const count = await replayAll(admin, filter, fresh)
    replayed += count
    onProgress?.(replayed)
    if (perSecond !== undefined && page.length > fresh.length)
      await sleep(clock, (count * 1_000) / perSecond - (monotonic(clock) - startedAt))
  }
}

async function replayAll(admin: Admin, filter: DeadLetterFilter, letters: readonly DeadLetter[]): Promise<number> {
  let replayed = 0
  for (const ofPlace of Map.groupBy(letters, ({ group, message }) => `${message.topic}\0${group}`).values()) {
    const [first] = ofPlace as [DeadLetter]
    const ids = [...new Set(ofPlace.map(({ message }) => message.id))]
    const these = { ...filter, topic: first.message.topic, group: first.group, ids }
    replayed += await admin.replay(these, { [HEADER.attempt]: '1', [HEADER.snoozes]: '0', [HEADER.passedSince]: '' })
  }
  return replayed
}

function nameOf({ message, group }: DeadLetter): string {
  return `${message.topic}\0${group}\0${message.id}`
}
