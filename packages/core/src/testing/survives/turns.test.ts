import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

/** The order in which two that go on at once have their turns. */
async function orderOf(seed: number): Promise<string> {
  const turns = new Turns(seed)
  const order: string[] = []
  const goesOn = async (name: string): Promise<void> => {
    for (let n = 0; n < 4; n++) {
      await turns.next()
      order.push(name)
    }
  }
  await Promise.all([goesOn('a'), Promise.resolve().then(() => goesOn('b'))])
  return order.join('')
}

test('a seed is one order of turns, seeds are many, and whoever comes second may be the first', async () => {
  const orders: string[] = []
  for (let seed = 1; seed <= 20; seed++) orders.push(await orderOf(seed))
  expect(await orderOf(7)).toBe(orders[6])
  expect(new Set(orders).size).toBeGreaterThan(5)
  expect(new Set(orders.map((order) => order[1]))).toEqual(new Set(['a', 'b']))
})
