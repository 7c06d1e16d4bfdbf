import { expect, test } from 'vitest'
import { placeFor } from './delays.ts'

const delays = [
  { afterMs: 1_000, jitter: 0.2 },
  { afterMs: 5_000, jitter: 0 },
  { afterMs: 0, jitter: 0 },
]

test.each([
  [1_000, 1_000],
  [1_150, 1_000],
  [1_200, 1_000],
  [5_000, 5_000],
  [3_000, 5_000],
  [60_000, 5_000],
])('%d ms waits with those of %d ms', (afterMs, place) => {
  expect(placeFor(delays, afterMs)).toBe(place)
})

test('without a declared delay there is no place', () => {
  expect(placeFor([{ afterMs: 0, jitter: 0 }], 100)).toBeUndefined()
})
