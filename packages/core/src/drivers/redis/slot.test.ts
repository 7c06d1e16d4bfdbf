import { expect, test } from 'vitest'
import { namesWith } from './names.ts'
import { slotOf } from './slot.ts'

// As `CLUSTER KEYSLOT` says.
test.each([
  ['123456789', 12_739],
  ['foo', 12_182],
  ['', 0],
  ['{user1000}.following', 3_443],
  ['user1000', 3_443],
  ['foo{}{bar}', 8_363],
  ['foo{{bar}}zap', 4_015],
  ['Größe', 2_599],
])('the slot of %j', (key, slot) => {
  expect(slotOf(key)).toBe(slot)
})

test('all keys of a topic lie in one slot, with a prefix too', () => {
  for (const prefix of ['', 'shop.']) {
    const { stream, again, members, delayed, waiting, state, place, declared } = namesWith(prefix)
    const keys = [stream('orders'), declared('orders'), place('orders', 'orders.g.dlq')]
    const ofGroup = [again, members, delayed, waiting, state].map((name) => name('orders', 'g'))
    expect(new Set([...keys, ...ofGroup].map(slotOf)).size).toBe(1)
  }
})
