import { expect, test } from 'vitest'
import { bytes, incoming, json, written } from './fixtures/incoming.ts'
import { nestPackets } from './nest.ts'

const read = (packet: unknown) => nestPackets.in(incoming({ body: json(packet) }))

test('a packet is the event of its pattern', () => {
  expect(read({ pattern: 'order.placed', data: { id: 9 } })).toEqual({ name: 'order.placed', data: { id: 9 }, id: undefined })
  expect(read({ pattern: 'sum', data: [1, 2], id: '7c5f3b' })).toEqual({ name: 'sum', data: [1, 2], id: '7c5f3b' })
  expect(read({ pattern: { b: 1, a: { d: 2, c: 3 } }, data: null })).toMatchObject({ name: '{"a":{"c":3,"d":2},"b":1}' })
  expect(read({ pattern: 7, data: 1 })).toMatchObject({ name: '7' })
})

test('what has no pattern or no data is not one of ours', () => {
  const others = [{ data: 1 }, { pattern: 'x' }, { pattern: '', data: 1 }, { pattern: null, data: 1 }, [1], 'x', null]
  expect(others.map(read)).toEqual(others.map(() => undefined))
  expect(nestPackets.in(incoming({ body: bytes('{') }))).toBe(undefined)
})

test('an event is written as a packet without an id, which nobody has to answer', () => {
  expect(written(nestPackets.out)).toEqual({ body: { pattern: 'order.placed', data: { id: 1, total: 9.5 } } })
})
