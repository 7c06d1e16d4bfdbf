import { expect, test } from 'vitest'
import { bytes, type Given, hex, incoming, json, placed, received, written } from './fixtures/incoming.ts'
import { watermill } from './watermill.ts'

const UUID = '_watermill_message_uuid'
const read = (given: Given) => watermill.in(incoming(given))
/** { name: 'orders.OrderPlaced' } */
const metadata = hex('81a46e616d65b26f72646572732e4f72646572506c61636564')
const event = { name: 'orders.OrderPlaced', data: { id: 1 }, id: '5e9a1f' }

test('an entry of Redis is the event that its metadata names', () => {
  // The body is what a driver makes of an entry that is not ours.
  expect(read({ fields: { [UUID]: '5e9a1f', metadata, payload: json({ id: 1 }) }, body: json({ payload: 'x' }) })).toEqual(event)
})

test('on Kafka and RabbitMQ metadata are headers', () => {
  expect(read({ headers: { [UUID]: '5e9a1f', name: 'orders.OrderPlaced' }, body: json({ id: 1 }) })).toEqual(event)
})

test('what has no uuid or no name is not one of ours; what has both and cannot be read is an error', () => {
  const none: Given[] = [
    { body: json({ id: 1 }) },
    { fields: { [UUID]: 'a', metadata: '', payload: '{}' } },
    { fields: { [UUID]: 'a', payload: '{}' } },
  ]
  expect(none.map(read)).toEqual([undefined, undefined, undefined])
  expect(() => read({ fields: { [UUID]: 'a', metadata, payload: '{' } })).toThrow(SyntaxError)
  expect(() => read({ fields: { [UUID]: 'a', metadata: 'xx', payload: '{}' } })).toThrow(/is no map/)
  // Read as text with a mark for what is none, two ids would be one, and one of the messages a duplicate.
  expect(() => read({ fields: { [UUID]: Uint8Array.of(255), metadata, payload: '{}' } })).toThrow('_watermill_message_uuid is not UTF-8')
})

test('an event is written with the three fields that Watermill reads, and with headers for the other brokers', () => {
  const out = written(watermill.out, { headers: { tenant: 't1' } })
  expect(out).toEqual({
    body: bytes('{"id":1,"total":9.5}'),
    headers: { [UUID]: placed.id, name: 'order.placed', 'content-type': 'application/json' },
    fields: {
      [UUID]: placed.id,
      metadata: Buffer.concat([hex('82a674656e616e74a27431a46e616d65ac'), bytes('order.placed')]),
      payload: bytes('{"id":1,"total":9.5}'),
    },
  })
  const { name, data, id } = placed
  const { fields: _, ...elsewhere } = received(out)
  expect([read(received(out)), read(elsewhere)]).toEqual([
    { name, data, id },
    { name, data, id },
  ])
})
