import { expect, test } from 'vitest'
import { Credit } from './credit.ts'

/** Tags 1 to `out` are delivered to a first consumer with this prefetch. */
function consumer(prefetch: number, out = prefetch): Credit {
  const credit = new Credit()
  credit.begin(prefetch, 0)
  for (let tag = 1; tag <= out; tag++) credit.delivered()
  return credit
}

function acknowledge(credit: Credit, from: number, to: number): void {
  for (let tag = from; tag <= to; tag++) credit.acknowledged(tag)
}

test('the first consumer has all of the limit, and none begins when nothing is allowed', () => {
  expect(new Credit().next(20)).toEqual({ consume: 20 })
  expect(new Credit().next(0)).toBe('stay')
})

test('a lower limit ends the consumer at once, and the next begins when little is out', () => {
  const credit = consumer(20)
  expect(credit.next(20)).toBe('stay')
  expect(credit.next(8)).toBe('cancel')
  credit.end()
  expect(credit.next(8)).toBe('stay')
  acknowledge(credit, 1, 17)
  expect(credit.next(8)).toBe('stay')
  acknowledge(credit, 18, 18)
  expect(credit.next(8)).toEqual({ consume: 6 })
})

test('a limit of one begins only when nothing is out: whatever comes next is alone', () => {
  const credit = consumer(20, 1)
  credit.end()
  expect(credit.next(1)).toBe('stay')
  acknowledge(credit, 1, 1)
  expect(credit.next(1)).toEqual({ consume: 1 })
})

test('a limit that is little higher waits for a moment when nothing is out', () => {
  const credit = consumer(20)
  expect(credit.next(25)).toBe('stay')
  expect(credit.next(30)).toBe('cancel')
  acknowledge(credit, 1, 20)
  expect(credit.next(25)).toBe('cancel')
})

test('what is left from the consumer before counts, until it is acknowledged', () => {
  const credit = consumer(20, 5)
  credit.end()
  expect(credit.next(20)).toEqual({ consume: 15 })
  credit.begin(15, 5)
  for (let tag = 6; tag <= 20; tag++) credit.delivered()
  expect(credit.used).toBe(true)
  expect(credit.next(20)).toBe('stay')
  expect(credit.next(19)).toBe('cancel')
  acknowledge(credit, 1, 6)
  expect(credit.used).toBe(false)
  expect(credit.next(19)).toBe('stay')
  expect(credit.next(22)).toBe('stay')
  expect(credit.next(23)).toBe('cancel')
})

test('under a steady load a raise ends with a consumer that stays', () => {
  const credit = consumer(20)
  expect(credit.next(40)).toBe('cancel')
  credit.end()
  acknowledge(credit, 1, 10)
  expect(credit.next(40)).toEqual({ consume: 30 })
  credit.begin(30, 20)
  for (let tag = 21; tag <= 50; tag++) credit.delivered()
  acknowledge(credit, 11, 20)
  expect(credit.next(40)).toBe('stay')
})
