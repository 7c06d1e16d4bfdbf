import { expect, onTestFinished, test, vi } from 'vitest'
import { type Clock, systemClock } from '../clock.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { Deadlines } from './deadlines.ts'
import type { Work } from './work.ts'

/** A handler that runs on a machine whose clock can be set, and whose processes can be frozen. */
function machine() {
  const timers = new VirtualClock(0)
  let [setBy, frozenMs] = [0, 0]
  const monotonic = () => timers.now() + frozenMs
  const clock: Clock = { now: () => monotonic() + setBy, monotonic, after: timers.after.bind(timers) }
  const said: string[] = []
  const abort = () => void said.push(`signal at ${timers.now()}`)
  const work = { runningSince: 0, ranMs: 0, timedOut: false, stuck: false, abort } as unknown as Work
  const onStuck = () => void said.push(`stuck at ${timers.now()}`)
  new Deadlines({ clock, running: new Set([work]), handlerTimeoutMs: 60_000, abortGraceMs: 10_000, onStuck }).watch()
  return {
    said,
    run: (ms: number) => timers.advance(ms),
    freeze(ms: number) {
      frozenMs += ms
    },
    set(byMs: number) {
      setBy += byMs
    },
  }
}

test('a handler has its signal when its time is over, and is stuck after its grace', async () => {
  const { said, run } = machine()
  await run(80_000)
  expect(said).toEqual(['signal at 60000', 'stuck at 70000'])
})

test.each([3_600_000, -3_600_000])('a clock that is set by %d ms changes nothing', async (byMs) => {
  const { said, run, set } = machine()
  await run(30_000)
  set(byMs)
  await run(29_000)
  expect(said).toEqual([])
  await run(21_000)
  expect(said).toEqual(['signal at 60000', 'stuck at 70000'])
})

test('a process that was frozen for an hour gives its handler what was left of its time, and all of its grace', async () => {
  const { said, run, freeze } = machine()
  await run(59_000)
  freeze(3_600_000)
  await run(500)
  expect(said).toEqual([])
  await run(500)
  expect(said).toEqual([expect.stringMatching(/^signal at (59|60)\d+$/)])
  freeze(3_600_000)
  await run(9_000)
  expect(said).toHaveLength(1)
  await run(1_500)
  expect(said).toHaveLength(2)
})

test('a clock that a test sets does not make the loop stand still: what the machine measures must say so too', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'Date', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const work = { runningSince: systemClock.monotonic?.() ?? 0, ranMs: 0 } as unknown as Work
  const deadlines = new Deadlines({
    clock: systemClock,
    running: new Set(),
    handlerTimeoutMs: 60_000,
    abortGraceMs: 1,
    onStuck: () => undefined,
  })
  deadlines.watch()
  vi.setSystemTime(Date.now() + 3_600_000)
  vi.advanceTimersByTime(0)
  expect(deadlines.stoodStillFor(work)).toBe(0)
  deadlines.stop()
})
