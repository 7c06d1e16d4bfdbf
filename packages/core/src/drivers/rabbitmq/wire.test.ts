import { expect, test } from 'vitest'
import type { Message } from '../../driver.ts'
import { copyOf } from './copy.ts'
import { rawOf } from './raw.ts'
import { countHeaderOf, fromAmqp, type Raw, toAmqp, unsettledBefore } from './wire.ts'

const NOW = Date.UTC(2026, 0, 1)
const message: Message = { id: 'i1', topic: 't', headers: {}, body: Buffer.from('{}') }

function raw(properties: Record<string, unknown>, content: Buffer = Buffer.from('{}')): Raw {
  const fields = { deliveryTag: 1, redelivered: false, exchange: 't', routingKey: 't', consumerTag: 'c', messageCount: 0 }
  return { content, fields, properties: { headers: {}, ...properties } as unknown as Raw['properties'] }
}

/** As it would arrive. */
const arrived = (sent: Parameters<typeof toAmqp>[0]) => {
  const { body, properties } = toAmqp(sent, NOW)
  return fromAmqp(raw({ ...properties }, body), sent.topic)
}

/** Where messages of the topic are published as a rule. */
const home = { exchange: 't', routingKey: 't' }

test('what is sent is what arrives: ids, keys, headers of any name, tombstones', () => {
  const all: readonly Message[] = [
    message,
    { ...message, key: '' },
    { ...message, key: 'größe', headers: { a: '', 'content-type': 'application/json', traceparent: 'x' } },
    { ...message, headers: { CC: 'x', BCC: 'y', 'x-death': 'z', 'x-delivery-count': '3' } },
    { ...message, id: 'é'.repeat(200), headers: { 'content-type': 'x'.repeat(300) } },
    { ...message, body: Buffer.alloc(0), tombstone: true as const },
  ]
  for (const sent of all) expect(arrived(sent)).toEqual(sent)
})

test('no user header reaches the broker under a name it acts upon', () => {
  const { properties } = toAmqp({ ...message, headers: { CC: 'x', 'x-first-death-queue': 'q', 'x-stream-offset': '1' } }, NOW)
  expect(Object.keys(properties.headers)).toEqual([
    'corebus-header-CC',
    'corebus-header-x-first-death-queue',
    'corebus-header-x-stream-offset',
  ])
})

test('the CC of a message is seen, as it is in every copy of it', () => {
  const headers = { CC: ['other'], 'x-delivery-count': 2 }
  expect(fromAmqp(raw({ headers }), 't').headers).toEqual({ CC: '["other"]' })
  const copy = copyOf(raw({ headers }), {}, { delayPlace: 'd.', home })
  expect(fromAmqp(raw({ headers: copy.properties.headers }), 't').headers).toEqual({ CC: '["other"]' })
})

test('an answer to a consumer that we do not have is refused, and closes no channel', () => {
  const asking = { ...message, target: { exchange: 'e' }, properties: { replyTo: 'amq.rabbitmq.reply-to' } }
  expect(() => toAmqp(asking, NOW)).toThrow(expect.objectContaining({ code: 'TARGET', message: expect.stringContaining('replyTo') }))
})

test('times handed out before are what the broker counts, whichever count it keeps', () => {
  const again = (version: string, headers: Record<string, unknown>) => {
    const { fields, ...rest } = raw({ headers })
    return unsettledBefore({ ...rest, fields: { ...fields, redelivered: true } } as Raw, countHeaderOf(version))
  }
  expect(again('3.10.8', {})).toBe(0)
  expect(again('3.10.8', { 'x-delivery-count': 3 })).toBe(3)
  expect(again('3.10.8', { 'x-delivery-count': 'many' })).toBe(0)
  expect(again('4.3.0', { 'x-delivery-count': 1, 'x-acquired-count': 4 })).toBe(4)
})

test.each([
  ['3.10.8', 'x-acquired-count'],
  ['4.2.4', 'x-acquired-count'],
  ['4.3.5', 'x-delivery-count'],
  ['5.0.0-rc.1', 'x-delivery-count'],
])('what RabbitMQ %s does not count in %s is its author’s, also in a message that is handed out again', (version, header) => {
  const { fields, ...rest } = raw({ headers: { [header]: 2 ** 31 } })
  expect(unsettledBefore({ ...rest, fields: { ...fields, redelivered: true } } as Raw, countHeaderOf(version))).toBe(0)
})

test('a count that came with the message is its author’s', () => {
  expect(unsettledBefore(raw({ headers: { 'x-delivery-count': 100 } }), 'x-delivery-count')).toBe(0)
})

test('a copy lays its headers over, gives an id to what has none, and takes off what our own delays added', () => {
  const ours = { queue: 'corebus:delay.100', reason: 'expired' }
  const before = {
    mine: 1,
    'corebus-attempt': '1',
    'x-delivery-count': 4,
    'x-death': [ours],
    'x-first-death-queue': ours.queue,
    'x-first-death-reason': 'expired',
  }
  const { properties } = copyOf(raw({ headers: before }), { 'corebus-attempt': '2' }, { delayPlace: 'corebus:delay.', home })
  expect(properties.headers).toEqual({
    mine: 1,
    'corebus-attempt': '2',
    'corebus-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
  })
})

test('the error is cut until it fits beside what the message has, its stack first, and nothing else', () => {
  const big = raw({ messageId: 'a', headers: { big: 'x'.repeat(40_000) } })
  const over = { 'corebus-error': 'é'.repeat(1_000), 'corebus-error-stack': 's'.repeat(40_000), 'corebus-attempt': '2' }
  const headers = copyOf(big, over, { delayPlace: 'd.', home }).properties.headers as Record<string, string>
  expect(headers).toMatchObject({ 'corebus-error': 'é'.repeat(1_000), 'corebus-attempt': '2' })
  expect(headers['corebus-error-stack']?.length).toBeGreaterThan(20_000)
  expect(JSON.stringify(headers).length).toBeLessThan(65_000)
})

test('where even that is too much the copy is refused, and may be asked for with less of the message', () => {
  const huge = raw({ messageId: 'a', type: 't', timestamp: 2 ** 64, headers: { big: 'x'.repeat(64_600), 'corebus-key': 'k' } })
  const over = { 'corebus-error': 'no', 'corebus-attempt': '2' }
  expect(() => copyOf(huge, over, { delayPlace: 'd.', home })).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }))
  const body = copyOf(huge, over, { delayPlace: 'd.', home, keeps: 'body' })
  expect([body.body.toString(), body.properties.headers]).toEqual(['{}', { 'corebus-id': 'a', 'corebus-key': 'k', ...over }])
  expect(copyOf(huge, over, { delayPlace: 'd.', home, keeps: 'nothing' }).body).toHaveLength(0)
})

test('a copy says where its original was published, unless that was at home', () => {
  const placed = (exchange: string, routingKey: string, headers: Record<string, string> = {}): Raw => {
    const { fields, ...rest } = raw({ messageId: 'a', headers })
    return { ...rest, fields: { ...fields, exchange, routingKey } } as Raw
  }
  const copied = (of: Raw) => copyOf(of, {}, { delayPlace: 'd.', home }).properties.headers as Record<string, string>
  const noted = { 'corebus-amqp-exchange': 'shop', 'corebus-amqp-routing-key': 'order.eu' }
  expect(copied(placed('t', 't'))).toEqual({})
  expect(copied(placed('shop', 'order.eu'))).toEqual(noted)
  expect(copied(placed('t', 'other'))).toEqual({ 'corebus-amqp-exchange': 't', 'corebus-amqp-routing-key': 'other' })
  // Copies come through the default exchange, and their copies say the same.
  expect(copied(placed('', 't:g', noted))).toEqual(noted)
  expect(copied(placed('', 't:g'))).toEqual({})
  expect(rawOf(placed('', 't:g', noted), false, home)).toMatchObject({ exchange: 'shop', routingKey: 'order.eu' })
  expect(rawOf(placed('', 't:g'), false, home)).toMatchObject(home)
  expect(rawOf(placed('', 'theirs'), true, home)).toMatchObject({ exchange: '', routingKey: 'theirs' })
})

test('a property, an exchange or a routing key that AMQP has no room for is refused by its name, before the client meets it', () => {
  const sent = (correlationId: string) => toAmqp({ ...message, properties: { correlationId, replyTo: 'answers' } }, NOW)
  expect(sent('x'.repeat(255)).properties).toMatchObject({ correlationId: 'x'.repeat(255), replyTo: 'answers' })
  expect(() => sent('é'.repeat(128))).toThrow(
    expect.objectContaining({ code: 'TOO_LARGE', message: expect.stringContaining('properties.correlationId has 256 bytes') }),
  )
  for (const name of ['exchange', 'routingKey'] as const) {
    const target = { exchange: 'shop', [name]: 'x'.repeat(256) }
    expect(() => toAmqp({ ...message, target }, NOW)).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE', message: expect.stringContaining(`${name} has 256 bytes`) }),
    )
  }
})
