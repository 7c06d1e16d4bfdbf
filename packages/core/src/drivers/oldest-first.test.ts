import { expect, test } from 'vitest'
import { OldestFirst } from './oldest-first.ts'

const byNumber = (one: number, other: number): number => one - other

test('the first of many are found in order, wherever they come, and whether there are more', () => {
  const numbers = Array.from({ length: 100 }, (_, n) => (n * 37) % 100)
  const oldest = new OldestFirst<number>(5, byNumber)
  for (const n of numbers) oldest.add(n)
  expect(oldest.page()).toEqual({ found: [0, 1, 2, 3, 4], isMore: true })
  const all = new OldestFirst<number>(100, byNumber)
  for (const n of numbers) all.add(n)
  expect(all.page()).toEqual({ found: Array.from({ length: 100 }, (_, n) => n), isMore: false })
})

test('what comes behind a full page is refused, so that its place need not be read on', () => {
  const oldest = new OldestFirst<number>(2, byNumber)
  expect([5, 6, 7].map((n) => oldest.add(n))).toEqual([true, true, true])
  expect([oldest.bound, oldest.add(8), oldest.add(7), oldest.add(1), oldest.add(6)]).toEqual([7, false, false, true, true])
  expect(oldest.page()).toEqual({ found: [1, 5], isMore: true })
})
