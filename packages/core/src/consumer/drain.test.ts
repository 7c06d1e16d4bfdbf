import { describe, expect, test } from 'vitest'
import { collector } from '../../test/kit.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { type Drained, drain } from './drain.ts'

const SHUTDOWN_MS = 25_000

/** A group whose handlers have finished, and whose broker takes the last settlements after so long. */
function closing({ settlesAfterMs, isUp }: { settlesAfterMs: number; isUp: (at: number) => boolean }) {
  const clock = new VirtualClock(0)
  const { logger, lines } = collector()
  let given = 0
  const run: Drained = {
    stop: async () => {},
    abort: () => {},
    giveUp: () => void given++,
    end: () => new Promise((resolve) => clock.after(settlesAfterMs, resolve)),
    health: () => ({ group: 'g', state: 'consuming', running: 0, handling: [], stuck: 0, unsettled: 7, unstorable: [], waitingMs: 0 }),
  }
  let endedAt: number | undefined
  void drain([run], { clock, shutdownMs: SHUTDOWN_MS, abortGraceMs: 100, logger, isUp: () => isUp(clock.now()) }).then(() => {
    endedAt = clock.now()
  })
  return { clock, endedAt: () => endedAt, said: () => lines.map(({ msg }) => msg), givenUp: () => given }
}

describe('what was handled is settled before this process goes', () => {
  test('while its broker can be reached, for as long as handlers may take', async () => {
    const { clock, endedAt, said, givenUp } = closing({ settlesAfterMs: 7_000, isUp: () => true })
    await clock.advance(SHUTDOWN_MS)
    expect(endedAt()).toBe(7_000)
    expect([said(), givenUp()]).toEqual([[], 0])
  })

  test('and no longer: what is left is told', async () => {
    const { clock, endedAt, said, givenUp } = closing({ settlesAfterMs: Number.POSITIVE_INFINITY, isUp: () => true })
    await clock.advance(SHUTDOWN_MS)
    expect(endedAt()).toBe(SHUTDOWN_MS)
    expect(said()).toEqual(['7 messages were handled and the broker did not take their settlement: they will be handled again'])
    expect(givenUp()).toBe(1)
  })

  test('without a broker not longer than 5 s', async () => {
    const { clock, endedAt, said } = closing({ settlesAfterMs: 7_000, isUp: () => false })
    await clock.advance(SHUTDOWN_MS)
    expect(endedAt()).toBe(5_000)
    expect(said()).toHaveLength(1)
  })

  test('nor when it goes away meanwhile', async () => {
    const { clock, endedAt } = closing({ settlesAfterMs: 20_000, isUp: (at) => at < 9_000 })
    await clock.advance(SHUTDOWN_MS)
    expect(endedAt()).toBe(9_000)
  })
})
