import { expect, test } from 'vitest'
import { Bag } from './bag.ts'

test('each leaves from where it is, and the others stay', () => {
  const all = [0, 1, 2, 3].map((n) => ({ n, index: -1 }))
  const [a, b, c, d] = all as [(typeof all)[0], (typeof all)[0], (typeof all)[0], (typeof all)[0]]
  const bag = new Bag<typeof a>()
  const numbers = () => [...bag].map(({ n }) => n).toSorted()
  for (const one of all) bag.add(one)
  bag.remove(a)
  expect([numbers(), bag.size]).toEqual([[1, 2, 3], 3])
  bag.remove(d)
  bag.remove(b)
  expect(numbers()).toEqual([2])
  bag.remove(c)
  expect([numbers(), bag.size]).toEqual([[], 0])
  bag.add(b)
  expect(numbers()).toEqual([1])
})

test('what is not in it, or not any more, is let alone', () => {
  const [a, b] = [{ index: -1 }, { index: -1 }]
  const bag = new Bag<typeof a>()
  bag.add(a)
  bag.remove(b)
  bag.remove(a)
  bag.add(b)
  bag.remove(a)
  expect([...bag]).toEqual([b])
})
