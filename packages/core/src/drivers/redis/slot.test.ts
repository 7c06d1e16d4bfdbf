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

const KEYS = ['orders', 'shop.orders', 'shop:orders', '{eu}:orders', 'orders{eu}', '{eu}', 'a{b', 'a}b', '{}a', '{}{a}', 'a{}b', '}{', '{']

test('all keys beside a stream lie in its slot, whatever its key, and no two streams share one', () => {
  const all = KEYS.flatMap((stream) => {
    const { again, members, delayed, waiting, state, place, placeOf, declared } = namesWith('')
    const keys = [stream, declared(stream), place(stream, 'orders.g.dlq'), placeOf(stream, 'orders', 'orders.g.dlq')]
    const ofGroup = [again, members, delayed, waiting, state].map((name) => name(stream, 'g'))
    expect(new Set([...keys, ...ofGroup].map(slotOf)), stream).toEqual(new Set([slotOf(stream)]))
    return [...keys, ...ofGroup]
  })
  expect(new Set(all).size).toBe(all.length)
})

test('the stream of a topic has its name behind the prefix, or the key that it was given', () => {
  const { stream, declared, note } = namesWith('p.', { orders: 'shop:orders', constructor: 'other' })
  expect(['orders', 'bills', 'constructor', 'toString'].map(stream)).toEqual(['shop:orders', 'p.bills', 'other', 'p.toString'])
  expect([declared(stream('orders')), note('orders')]).toEqual(['{shop:orders}:declared', '{p.orders}:declared'])
})
