import { expect, test } from 'vitest'
import { Credit } from './credit.ts'

/** A broker that always has more: `held` fills up to the prefetch, beside what is left from before. */
function consumer(limit: number) {
  const credit = new Credit()
  credit.begin(limit, 0, 0)
  return credit
}

test('the first consumer has all of the limit, and none begins when nothing is allowed', () => {
  expect(new Credit().next(20, 0)).toEqual({ consume: 20 })
  expect(new Credit().next(0, 0)).toBe('stay')
})

test('a lower limit ends the consumer at once, and the next begins when little is held', () => {
  const credit = consumer(20)
  expect(credit.next(20, 20)).toBe('stay')
  expect(credit.next(8, 20)).toBe('cancel')
  credit.end()
  expect(credit.next(8, 20)).toBe('stay')
  expect(credit.next(8, 3)).toBe('stay')
  expect(credit.next(8, 2)).toEqual({ consume: 6 })
})

test('a limit of one begins only when nothing is held: whatever comes next is alone', () => {
  const credit = consumer(20)
  credit.end()
  expect(credit.next(1, 1)).toBe('stay')
  expect(credit.next(1, 0)).toEqual({ consume: 1 })
})

test('a limit that is little higher waits for a moment when nothing is held', () => {
  const credit = consumer(20)
  expect(credit.next(25, 20)).toBe('stay')
  expect(credit.next(25, 0)).toBe('cancel')
  expect(credit.next(30, 20)).toBe('cancel')
})

test('what is left from the consumer before counts, until it is settled', () => {
  const credit = new Credit()
  credit.begin(15, 5, 100)
  expect(credit.next(20, 20)).toBe('stay')
  expect(credit.next(19, 20)).toBe('cancel')
  for (const tag of [100, 97, 99, 98, 96]) credit.settled(tag)
  credit.settled(101)
  expect(credit.next(19, 14)).toBe('stay')
  expect(credit.next(20, 15)).toBe('stay')
  expect(credit.next(23, 15)).toBe('cancel')
})

test('under a steady load a raise ends with a consumer that stays', () => {
  const credit = consumer(20)
  expect(credit.next(40, 20)).toBe('cancel')
  credit.end()
  expect(credit.next(40, 10)).toEqual({ consume: 30 })
  credit.begin(30, 10, 20)
  for (let tag = 11; tag <= 20; tag++) credit.settled(tag)
  expect(credit.next(40, 30)).toBe('stay')
})
