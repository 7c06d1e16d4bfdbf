import { expect, test } from 'vitest'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { Limit } from './limit.ts'

function limitOf({ concurrency = 10, maxUnsettled = 1_000 } = {}): {
  limit: Limit
  clock: VirtualClock
  told: number[]
  settle(count: number, durationMs: number): void
} {
  const told: number[] = []
  const clock = new VirtualClock()
  const limit = new Limit({ concurrency, maxUnsettled, onLimit: (n) => told.push(n), after: clock.after.bind(clock) })
  const settle = (count: number, durationMs: number) => {
    for (let i = 0; i < count; i++) limit.settledFresh(durationMs)
  }
  return { limit, told, settle, clock }
}

test('starts at one, and opens to twice the concurrency with the first fresh settlement', () => {
  const { limit, told, settle } = limitOf()
  expect(limit.current).toBe(1)
  settle(1, 5_000)
  expect([limit.current, told]).toEqual([20, [20]])
})

test('doubles while the handlers are fast, up to maxUnsettled', () => {
  const { told, settle } = limitOf()
  settle(32 * 10, 0.5)
  expect(told).toEqual([20, 40, 80, 160, 320, 640, 1_000])
})

test.each([
  ['a second of work at most', 100, 100],
  ['a slow handler hoards nothing', 2_000, 20],
])('%s: with handlers of %d ms it settles at %d', (_, durationMs, expected) => {
  const { limit, settle } = limitOf()
  settle(32 * 20, durationMs)
  expect(limit.current).toBe(expected)
})

test('comes down again when handlers become slow', () => {
  const { limit, settle } = limitOf()
  settle(32 * 10, 0.1)
  settle(32, 500)
  expect(limit.current).toBe(20)
})

test('the median decides: one slow handler among fast ones does not', () => {
  const { limit, settle } = limitOf()
  for (let i = 0; i < 40; i++) {
    settle(31, 1)
    settle(1, 60_000)
  }
  expect(limit.current).toBe(1_000)
})

test('a suspect brings it back to one, and the next fresh settlement opens it', () => {
  const { limit, told, settle } = limitOf()
  settle(32 * 3, 1)
  limit.isolate()
  limit.isolate()
  expect(limit.current).toBe(1)
  settle(1, 1)
  expect(limit.current).toBe(20)
  expect(told.slice(-2)).toEqual([1, 20])
})

test('never exceeds maxUnsettled, even when that is less than the concurrency', () => {
  const { limit, settle } = limitOf({ concurrency: 10, maxUnsettled: 3 })
  settle(32 * 5, 0)
  expect(limit.current).toBe(3)
})

test('a first delivery that is slow keeps the others out for a second; after a crash that begins anew with the next fresh one', async () => {
  const { limit, told, clock } = limitOf()
  limit.arrived()
  await clock.advance(999)
  expect(told).toEqual([])
  await clock.advance(1)
  expect(told).toEqual([20])
  limit.isolate()
  await clock.advance(10_000)
  expect(limit.current).toBe(1)
  limit.arrived()
  limit.isolate()
  await clock.advance(10_000)
  expect(limit.current).toBe(1)
  limit.arrived()
  await clock.advance(1_000)
  expect(limit.current).toBe(20)
})
