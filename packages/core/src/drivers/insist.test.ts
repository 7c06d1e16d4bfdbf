import { expect, test } from 'vitest'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { insist } from './insist.ts'

const waitMs = (n: number) => 100 * n

function failing(times: number) {
  const tries: number[] = []
  const work = (clock: VirtualClock) => async () => {
    tries.push(clock.now())
    if (tries.length <= times) throw new Error(`failure ${tries.length}`)
    return 'done'
  }
  return { tries, work }
}

test('tries again until it works, each time after a longer wait', async () => {
  const clock = new VirtualClock(0)
  const { tries, work } = failing(3)
  const insisting = insist(work(clock), { clock, waitMs })
  await clock.advance(1_000)
  expect([await insisting, tries]).toEqual(['done', [0, 100, 300, 600]])
})

test.each([
  ['the time is over, after a last try', { withinMs: 250 }, [0, 100, 250], 'failure 3'],
  ['trying again cannot help', { isFinal: (thrown: unknown) => (thrown as Error).message === 'failure 3' }, [0, 100, 300], 'failure 3'],
] as const)('ends with what was thrown last when %s', async (_, options, when, what) => {
  const clock = new VirtualClock(0)
  const { tries, work } = failing(9)
  const insisting = insist(work(clock), { clock, waitMs, ...options }).catch((error: Error) => error.message)
  await clock.advance(10_000)
  expect([await insisting, tries]).toEqual([what, when])
})

test('does not try again once it is not wanted any more', async () => {
  const clock = new VirtualClock(0)
  const wanted = new AbortController()
  const { tries, work } = failing(9)
  const insisting = insist(work(clock), { clock, waitMs, signal: wanted.signal }).catch((error: Error) => error.message)
  await clock.advance(50)
  wanted.abort()
  expect([await insisting, tries]).toEqual(['failure 1', [0]])
})
