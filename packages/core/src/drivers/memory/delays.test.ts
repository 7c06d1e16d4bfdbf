import { expect, test } from 'vitest'
import type { Clock } from '../../driver.ts'
import { Delays } from './delays.ts'

/** Moves only when told; counts its timers. */
function handClock(): Clock & { to(ms: number): void; readonly timers: number } {
  let now = 0
  const timers = new Map<object, { at: number; fn: () => void }>()
  return {
    now: () => now,
    after(ms, fn) {
      const timer = {}
      timers.set(timer, { at: now + ms, fn })
      return () => timers.delete(timer)
    },
    to(ms) {
      now = ms
      for (const [timer, { at, fn }] of [...timers]) if (at <= now && timers.delete(timer)) fn()
    },
    get timers() {
      return timers.size
    },
  }
}

test('comes back when due, earliest first, equal times in the order they came, with one timer for all', () => {
  const clock = handClock()
  const back: string[] = []
  const delays = new Delays<string>(clock, (item) => back.push(item))
  for (const [item, afterMs] of [
    ['c', 300],
    ['a', 100],
    ['b1', 200],
    ['b2', 200],
    ['b3', 200],
  ] as const)
    delays.add(item, afterMs)
  expect(clock.timers).toBe(1)
  clock.to(99)
  expect(back).toEqual([])
  clock.to(100)
  expect(back).toEqual(['a'])
  clock.to(250)
  expect(back).toEqual(['a', 'b1', 'b2', 'b3'])
  expect([...delays]).toEqual(['c'])
  expect(clock.timers).toBe(1)
  clock.to(300)
  expect(back.at(-1)).toBe('c')
  expect(clock.timers).toBe(0)
})

test('a timer that fires early brings nothing back before its time', () => {
  const armed: { ms: number; fn: () => void }[] = []
  let now = 0
  const back: string[] = []
  const clock: Clock = {
    now: () => now,
    after(ms, fn) {
      armed.push({ ms, fn })
      return () => {}
    },
  }
  const delays = new Delays<string>(clock, (item) => back.push(item))
  delays.add('x', 100)
  now = 99
  armed[0]?.fn()
  expect(back).toEqual([])
  expect(armed.map(({ ms }) => ms)).toEqual([100, 1])
  now = 100
  armed[1]?.fn()
  expect(back).toEqual(['x'])
})

test('thousands of random delays come back sorted', () => {
  const clock = handClock()
  const back: number[] = []
  const delays = new Delays<number>(clock, (item) => back.push(item))
  let seed = 7
  const random = () => {
    seed = (seed * 16_807) % 2_147_483_647
    return seed % 5_000
  }
  for (let i = 0; i < 5_000; i++) {
    const afterMs = random()
    delays.add(afterMs, afterMs)
  }
  clock.to(5_000)
  expect(back).toHaveLength(5_000)
  expect(back).toEqual([...back].sort((a, b) => a - b))
})
