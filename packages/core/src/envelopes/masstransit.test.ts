import { expect, test } from 'vitest'
import { bytes, incoming, json, placed, received, written } from './fixtures/incoming.ts'
import { massTransit } from './masstransit.ts'

const read = (envelope: unknown) => massTransit.in(incoming({ body: json(envelope) }))

const contentType = 'application/vnd.masstransit+json'

// As its documentation on interoperability has it.
const envelope = {
  messageId: '181c0000-6393-3630-36a4-08daf4e7c6da',
  requestId: null,
  correlationId: null,
  conversationId: '181c0000-6393-3630-36a4-08daf4e7c6dc',
  sourceAddress: 'rabbitmq://localhost/shop_bus_o1dyyynbfxo1b3ufbdpgtmyyjb?temporary=true',
  destinationAddress: 'rabbitmq://localhost/Contracts:SubmitOrder',
  messageType: ['urn:message:Contracts:SubmitOrder', 'urn:message:Contracts:ISubmitOrder'],
  message: { orderId: 7, total: 9.5 },
  sentTime: '2023-01-12T21:14:33.7541872Z',
  headers: {},
  host: { machineName: 'shop-1', processName: 'Shop', processId: 1 },
}

test('a message is the event of its first type', () => {
  expect(read(envelope)).toEqual({
    name: 'Contracts:SubmitOrder',
    data: { orderId: 7, total: 9.5 },
    id: '181c0000-6393-3630-36a4-08daf4e7c6da',
    timestamp: '2023-01-12T21:14:33.7541872Z',
    source: 'rabbitmq://localhost/shop_bus_o1dyyynbfxo1b3ufbdpgtmyyjb?temporary=true',
  })
})

test('what has no type or no message is not one of ours', () => {
  for (const other of [
    { messageType: [] },
    { messageType: ['SubmitOrder'] },
    { messageType: undefined },
    { message: undefined },
    { message: 1 },
  ])
    expect(read({ ...envelope, ...other })).toBe(undefined)
})

test.each<[string, Uint8Array, RegExp]>([
  ['is no JSON', bytes('{'), /JSON/],
  ['has no message', json({ ...envelope, message: null }), /the body has no message$/],
  ['has no type', json({ ...envelope, messageType: [7] }), /the body has no messageType that begins with urn:message:/],
])('what says that it is of MassTransit and %s is an error: it is not skipped', (_, body, words) => {
  for (const said of [{ headers: { 'content-type': contentType } }, { properties: { contentType } }])
    expect(() => massTransit.in(incoming({ ...said, body }))).toThrow(words)
})

test('a time of sending that is none is none of the event', () => {
  expect(read({ ...envelope, sentTime: 'yesterday' })).toMatchObject({ timestamp: undefined })
})

test('an event is written with GUIDs, whatever its id, and is read again as what was published', () => {
  const out = written(massTransit.out, { name: 'Contracts:SubmitOrder' })
  expect(out).toEqual({
    body: {
      messageId: placed.id,
      conversationId: placed.id,
      messageType: ['urn:message:Contracts:SubmitOrder'],
      message: placed.data,
      sentTime: placed.timestamp,
      headers: {},
      host: { processName: 'orders-api' },
    },
    headers: { 'content-type': 'application/vnd.masstransit+json' },
    properties: { contentType: 'application/vnd.masstransit+json', messageId: placed.id },
  })
  const { data, id, timestamp, source } = placed
  expect(massTransit.in(incoming(received(out)))).toEqual({ name: 'Contracts:SubmitOrder', data, id, timestamp, source })
  const [one, again, other] = ['order-7', 'order-7', 'order-8'].map(
    (id) => (written(massTransit.out, { id }).body as { messageId: string }).messageId,
  )
  expect(one).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  expect([again === one, other === one]).toEqual([true, false])
})
