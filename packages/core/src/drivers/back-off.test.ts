import { expect, test } from 'vitest'
import { backOff } from './back-off.ts'

test('doubles up to the longest wait, and never overflows', () => {
  const waitMs = backOff({ firstMs: 100, maxMs: 5_000, random: () => 1 })
  expect([1, 2, 3, 4, 5, 6, 7, 8, 5_000].map(waitMs)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000])
})

test('clients that fail together come back apart, none sooner than half the wait', () => {
  const waits = [0, 0.25, 0.99].map((random) => backOff({ firstMs: 1_000, random: () => random })(1))
  expect(waits).toEqual([500, 625, 995])
})
