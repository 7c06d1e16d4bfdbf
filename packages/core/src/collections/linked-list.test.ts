import { expect, test } from 'vitest'
import { type Linked, LinkedList } from './linked-list.ts'

interface One extends Linked {
  readonly n: number
}

const one = (n: number): One => ({ n, previous: undefined, next: undefined })

function listOf(...all: readonly One[]): LinkedList<One> {
  const list = new LinkedList<One>()
  for (const each of all) list.add(each)
  return list
}

const numbers = (list: LinkedList<One>) => [...list].map(({ n }) => n)

test('each leaves from where it is, the others stay in their order', () => {
  const all = [0, 1, 2, 3, 4].map(one) as [One, One, One, One, One]
  const list = listOf(...all)
  expect(numbers(list)).toEqual([0, 1, 2, 3, 4])
  list.remove(all[2])
  expect(numbers(list)).toEqual([0, 1, 3, 4])
  list.remove(all[0])
  list.remove(all[4])
  expect([numbers(list), list.size, list.first?.n, list.last?.n]).toEqual([[1, 3], 2, 1, 3])
  list.add(all[0])
  list.remove(all[3])
  list.remove(all[1])
  expect(numbers(list)).toEqual([0])
  list.remove(all[0])
  expect([numbers(list), list.size, list.first, list.last]).toEqual([[], 0, undefined, undefined])
  list.add(all[4])
  expect(numbers(list)).toEqual([4])
})

test('what has left keeps none of its neighbours', () => {
  const all = [0, 1, 2].map(one) as [One, One, One]
  const list = listOf(...all)
  list.remove(all[1])
  expect(all[1]).toEqual(one(1))
  expect(list.clear()).toEqual([one(0), one(2)])
  expect([list.size, list.first, list.last]).toEqual([0, undefined, undefined])
})
