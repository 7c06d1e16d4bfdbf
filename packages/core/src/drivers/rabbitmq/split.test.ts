import { expect, test } from 'vitest'
import { VirtualClock } from '../../testing/virtual-clock.ts'
import { Split } from './split.ts'

class Queue {
  most = -1
  isIdle = true
  isAtRest = true
  limit(deliveries: number): void {
    this.most = deliveries
  }
}

test('a quarter of the limit, and one at least, is for what comes back', () => {
  expect([2, 3, 8, 100].map((limit) => Split.first(limit))).toEqual([
    { theirs: 1, ours: 1 },
    { theirs: 2, ours: 1 },
    { theirs: 6, ours: 2 },
    { theirs: 75, ours: 25 },
  ])
  expect([0, 1].map((limit) => Split.first(limit))).toEqual([
    { theirs: 0, ours: 0 },
    { theirs: 1, ours: 0 },
  ])
})

test('a limit of one goes to one queue, and to the other when nothing can come of the first any more', async () => {
  const clock = new VirtualClock()
  const [theirs, ours] = [new Queue(), new Queue()]
  let waiting = false
  const split = new Split({ clock, limit: 8, theirs, ours, waits: async () => waiting })
  split.begin()
  ours.isAtRest = false
  split.limit(1)
  expect([theirs.most, ours.most]).toEqual([0, 0])
  ours.isAtRest = true
  await clock.advance(200)
  expect([theirs.most, ours.most]).toEqual([1, 0])
  waiting = true
  theirs.isAtRest = false
  await clock.advance(200)
  expect([theirs.most, ours.most]).toEqual([0, 0])
  theirs.isAtRest = true
  await clock.advance(200)
  expect([theirs.most, ours.most]).toEqual([0, 1])
  split.limit(8)
  expect([theirs.most, ours.most]).toEqual([6, 2])
  split.end()
})
