import { expect, test } from 'vitest'
import { namesWith } from './names.ts'

test('names of one topic and group are never those of another', () => {
  const names = namesWith('')
  expect(names.work('a.b', 'c')).not.toBe(names.work('a', 'b.c'))
  expect(names.unclaimedExchange('orders')).not.toBe(names.topic('orders.unclaimed'))
})

test('a person finds them: the topic, what nobody has taken, the group', () => {
  const { topic, unclaimed, work, delay } = namesWith('test-')
  expect([topic('orders'), unclaimed('orders'), work('orders', 'billing'), delay(5_000)]).toEqual([
    'test-orders',
    'test-orders.unclaimed',
    'test-orders:billing',
    'test-corebus:delay.5000',
  ])
})

test('a name beyond the 255 bytes of AMQP is cut, and stays different from others', () => {
  const { work } = namesWith('')
  const [one, other] = [work('t'.repeat(180), `${'g'.repeat(179)}1`), work('t'.repeat(180), `${'g'.repeat(179)}2`)]
  expect(Buffer.byteLength(one)).toBeLessThanOrEqual(255)
  expect(one).not.toBe(other)
  expect(Buffer.byteLength(namesWith('鍵'.repeat(100)).topic('orders'))).toBeLessThanOrEqual(255)
})

test('the exchange of a topic is never called as what all topics share: as a fanout it would stop every service', () => {
  expect(() => namesWith('', { orders: 'corebus:delay' })).toThrow(expect.objectContaining({ code: 'NAME' }))
  expect(namesWith('', { orders: 'Contracts:Order' }).topic('orders')).toBe('Contracts:Order')
})
