import { expect, test } from 'vitest'
import { Queue } from './queue.ts'

test('what goes in comes out in order, over many chunks, with both ends moving', () => {
  const queue = new Queue<number>()
  const out: (number | undefined)[] = []
  for (let i = 0; i < 10_000; i++) {
    queue.push(i)
    if (i % 3 > 0) out.push(queue.shift())
  }
  while (queue.length > 0) out.push(queue.shift())
  expect(out).toEqual(Array.from({ length: 10_000 }, (_, i) => i))
  expect(queue.shift()).toBe(undefined)
  expect(queue.peek()).toBe(undefined)
})

test('what is put in front comes first, in its own order', () => {
  const queue = new Queue<number>()
  queue.prepend([])
  queue.push(5)
  queue.push(6)
  queue.prepend([3, 4])
  expect(queue.shift()).toBe(3)
  queue.prepend([1, 2])
  expect([...queue]).toEqual([1, 2, 4, 5, 6])
  expect(queue.peek()).toBe(1)
  expect(Array.from({ length: 6 }, () => queue.shift())).toEqual([1, 2, 4, 5, 6, undefined])
  queue.prepend([7])
  queue.push(8)
  expect([queue.shift(), queue.shift(), queue.length]).toEqual([7, 8, 0])
})
