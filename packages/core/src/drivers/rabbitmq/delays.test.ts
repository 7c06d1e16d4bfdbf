import { expect, test } from 'vitest'
import { placeFor, placesOf } from './delays.ts'

test('a delay has one place, with jitter two, the delay itself and all of its jitter later', () => {
  expect(placesOf({ afterMs: 1_000, jitter: 0 })).toEqual([1_000])
  expect(placesOf({ afterMs: 1_000, jitter: 0.2 })).toEqual([1_000, 1_200])
  expect(placesOf({ afterMs: 3, jitter: 0.2 })).toEqual([3, 4])
  expect(placesOf({ afterMs: 0, jitter: 0.2 })).toEqual([])
})

test('what is asked within the jitter goes to the nearest of the places of its delay, never before it', () => {
  const delays = [
    { afterMs: 1_000, jitter: 0.2 },
    { afterMs: 5_000, jitter: 0 },
  ]
  expect([1_000, 1_099, 1_101, 1_200].map((ms) => placeFor(delays, ms))).toEqual([1_000, 1_000, 1_200, 1_200])
  expect(placeFor(delays, 5_000)).toBe(5_000)
})

test('of two delays that both may be meant, the later one is', () => {
  const delays = [
    { afterMs: 100, jitter: 0.5 },
    { afterMs: 120, jitter: 0 },
  ]
  expect(placeFor(delays, 120)).toBe(120)
})

test('what nobody declared waits longer rather than shorter, and at most the longest', () => {
  const delays = [{ afterMs: 1_000, jitter: 0.2 }]
  expect([1, 900, 1_300].map((ms) => placeFor(delays, ms))).toEqual([1_000, 1_000, 1_200])
  expect(placeFor([], 1_000)).toBeUndefined()
  expect(placeFor([{ afterMs: 0, jitter: 0 }], 1_000)).toBeUndefined()
})
