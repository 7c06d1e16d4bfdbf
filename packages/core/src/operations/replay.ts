import { type Clock, held, monotonic, sleep, systemClock } from '../clock.ts'
import type { Admin, DeadLetterFilter, ReplayPace } from '../driver.ts'
import { checkOptions } from '../options/check.ts'
import { callable, having, must, type Option } from '../options/option.ts'
import { HEADER } from '../wire/headers.ts'

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

/** Attempts are counted from 1 again. */
const ANEW = { [HEADER.attempt]: '1', [HEADER.snoozes]: '0', [HEADER.passedSince]: '' }

/**
 * Hands the dead letters that there are now back to the group that gave up on them, and to no other group, with their attempts counted from 1 again.
 * One that fails again comes back as a new dead letter; each is replayed once.
 */
export async function replayDeadLetters(admin: Admin, filter: DeadLetterFilter, options: ReplayOptions = {}): Promise<number> {
  checkOptions('replayDeadLetters', options, REPLAY)
  return held(() => admin.replay(filter, ANEW, paceOf(options)))
}

function paceOf({ perSecond, clock = systemClock, onProgress }: ReplayOptions): ReplayPace {
  let [replayed, together, startedAt] = [0, 0, monotonic(clock)]
  const onReplayed = (count: number): void => {
    replayed += count
    together += count
    onProgress?.(replayed)
  }
  if (perSecond === undefined) return { onReplayed }
  return {
    atOnce: Math.max(1, Math.min(MOST_AT_A_RATE, Math.floor(perSecond))),
    async turn() {
      if (together > 0) await sleep(clock, (together * 1_000) / perSecond - (monotonic(clock) - startedAt))
      together = 0
      startedAt = monotonic(clock)
    },
    onReplayed,
  }
}
