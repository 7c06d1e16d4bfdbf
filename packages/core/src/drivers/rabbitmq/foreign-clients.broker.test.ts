import { broker } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import type { HandlerContext } from '../../handlers/handler.ts'
import { createMessaging, type Messaging } from '../../messaging.ts'
import { defineEvent } from '../../wire/event-type.ts'
import { newId } from '../../wire/id.ts'
import { bareAmqplib, type ForeignClient } from './fixtures/foreign.ts'
import { pika } from './fixtures/pika.ts'
import { until } from './fixtures/room.ts'

const running = await broker('rabbitmq')
afterAll(() => running?.stop())
const url = running?.url ?? ''
const python = running && (await pika(url))

const CLIENTS: readonly (readonly [name: string, client: ForeignClient | undefined])[] = [
  ['amqplib', bareAmqplib(url)],
  ['pika', python],
]

/** A service as its author writes one, on a topic of its own. */
function service(): { readonly messaging: Messaging; readonly topic: string } {
  const logger = pino({ level: 'silent' })
  const messaging = createMessaging({ broker: 'rabbitmq', url, service: 'invoices', env: {}, logger })
  onTestFinished(() => messaging.close())
  return { messaging, topic: `foreign-${newId()}` }
}

interface Call {
  readonly message: unknown
  readonly context: HandlerContext
}

/** A handler that remembers, and fails as often as asked. */
function recorder({ failures = 0 } = {}) {
  const calls: Call[] = []
  const handler = (message: unknown, context: HandlerContext): void => {
    calls.push({ message, context })
    if (calls.length <= failures) throw new Error('not yet')
  }
  const nth = async (n: number): Promise<Call> => {
    await until(() => calls.length >= n)
    return calls[n - 1] as Call // there since the line above
  }
  return { calls, handler, nth }
}

describe.skipIf(!running).each(CLIENTS)('%s, which knows nothing of us', (_, client) => {
  const foreign = client as ForeignClient // every test is skipped where it is undefined
  const it = test.skipIf(!client)

  it('sends plain JSON without a single property, by any routing key, and a handler has it', async () => {
    const { messaging, topic } = service()
    const seen = recorder()
    messaging.handle({ topic, group: 'g' }, seen.handler)
    await messaging.start()
    await foreign.publish({ exchange: topic, routingKey: 'any.key', body: '{"order_id":7,"note":"größer → 鍵"}' })
    const { message, context } = await seen.nth(1)
    expect(message).toEqual({ order_id: 7, note: 'größer → 鍵' })
    expect([context.topic, context.key, context.attempt, context.id, context.headers]).toEqual([topic, undefined, 1, '', {}])
  })

  it('gives an id, a key and headers of any type, and the handler reads all of them as text', async () => {
    const { messaging, topic } = service()
    const seen = recorder()
    messaging.handle({ topic, group: 'g' }, seen.handler)
    await messaging.start()
    const headers = {
      'corebus-key': 'k1',
      text: 'ü',
      count: 42,
      large: 5_000_000_000,
      yes: true,
      nothing: null,
      list: [1, 'two', false],
      table: { deep: { n: 1 } },
      bytes: { $bytes: 'c3bc' },
      when: { $time: 1_700_000_000 },
      price: { $decimal: '19.99' },
    }
    const properties = { messageId: 'theirs-1', contentType: 'application/json', headers }
    await foreign.publish({ exchange: topic, routingKey: topic, body: '{"n":1}', properties })
    const { context } = await seen.nth(1)
    expect([context.id, context.key]).toEqual(['theirs-1', 'k1'])
    expect(context.headers).toEqual({
      'content-type': 'application/json',
      text: 'ü',
      count: '42',
      large: '5000000000',
      yes: 'true',
      nothing: 'null',
      list: '[1,"two",false]',
      table: '{"deep":{"n":1}}',
      bytes: 'ü',
      when: '1700000000',
      price: '{"places":2,"digits":1999}',
    })
  })

  it('sends an event, and its handler has it, checked', async () => {
    const { messaging, topic } = service()
    const Paid = defineEvent('payment.made', z.object({ order_id: z.number() }), { topic })
    const seen = recorder()
    messaging.on(Paid, { group: 'g' }, seen.handler)
    await messaging.start()
    const event = (data: object) => JSON.stringify({ name: 'payment.made', data, timestamp: '2026-02-01T12:00:00.000Z', source: 'theirs' })
    await foreign.publish({ exchange: topic, routingKey: topic, body: event({ order_id: 'seven' }) })
    await foreign.publish({ exchange: topic, routingKey: topic, body: event({ order_id: 7, more: 'unknown' }) })
    const { message } = await seen.nth(1)
    expect(message).toMatchObject({ name: 'payment.made', data: { order_id: 7 }, source: 'theirs' })
    const [letter] = await foreign.look(`${topic}.g.dlq`, 1)
    expect(letter).toMatchObject({ body: event({ order_id: 'seven' }), headers: { 'corebus-reason': 'schema' } })
    expect(seen.calls).toHaveLength(1)
  })

  it('sends something that a handler fails on once: it comes again, the same message with the next attempt', async () => {
    const { messaging, topic } = service()
    const seen = recorder({ failures: 1 })
    messaging.handle({ topic, group: 'g', maxRetries: 2, retryDelayMs: 100 }, seen.handler)
    await messaging.start()
    await foreign.publish({ exchange: topic, routingKey: 'x', body: '{"n":1}', properties: { messageId: 'again', headers: { count: 42 } } })
    const [first, second] = [await seen.nth(1), await seen.nth(2)]
    expect([first, second].map(({ message, context }) => [message, context.id, context.attempt, context.headers.count])).toEqual([
      [{ n: 1 }, 'again', 1, '42'],
      [{ n: 1 }, 'again', 2, '42'],
    ])
    const { admin } = await messaging.driver()
    await until(async () => (await admin.depth(topic, 'g')).ready === 0)
    expect((await admin.depth(topic, 'g')).dead).toBe(0)
  })

  it('sends what is no JSON, and finds it among the dead letters, with the headers that say why', async () => {
    const { messaging, topic } = service()
    const seen = recorder()
    messaging.handle({ topic, group: 'g' }, seen.handler)
    await messaging.start()
    const properties = { messageId: 'broken', contentType: 'text/plain', headers: { 'corebus-key': 'k1', count: 42 } }
    await foreign.publish({ exchange: topic, routingKey: 'their.key', body: 'no JSON {', properties })
    const [letter] = await foreign.look(`${topic}.g.dlq`, 1)
    expect(letter).toMatchObject({ body: 'no JSON {', messageId: 'broken', contentType: 'text/plain' })
    expect(letter?.headers).toMatchObject({
      count: 42,
      'corebus-key': 'k1',
      'corebus-reason': 'not-json',
      'corebus-attempt': '1',
      'corebus-topic': topic,
      'corebus-group': 'g',
      'corebus-error': expect.stringContaining('JSON'),
      'corebus-error-stack': expect.stringContaining('Error'),
      'corebus-failed-at': expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      'corebus-dead-topic': topic,
      'corebus-dead-group': 'g',
      'corebus-dead-at': expect.any(Number),
    })
    expect(seen.calls).toEqual([])
    // Looked at, it is still there.
    const { admin } = await messaging.driver()
    await until(async () => (await admin.depth(topic, 'g')).dead === 1)
  })

  it('reads what we publish, as it is documented', async () => {
    const { messaging, topic } = service()
    const Made = defineEvent('user.created', z.object({ id: z.number(), email: z.email() }), { topic, key: 'id' })
    messaging.on(Made, { group: 'g' }, () => undefined)
    await messaging.start()
    const { read } = await foreign.watch(topic, 3)
    const before = Math.floor(Date.now() / 1_000)
    await messaging.publishEvent(Made, { id: 1, email: 'ana@example.com' }, { id: 'ours-1', correlationId: 'c1', headers: { tenant: 'ü' } })
    await messaging.getProducer().send(topic, { plain: true }, { id: 'ours-2' })
    await messaging.getProducer().send(topic, null, { id: 'ours-3', key: 'gone' })
    const [event, message, tombstone] = await read

    const { body, timestamp, ...beside } = event ?? { body: '{}', timestamp: null }
    expect(JSON.parse(body)).toEqual({
      name: 'user.created',
      data: { id: 1, email: 'ana@example.com' },
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      source: 'invoices',
    })
    expect(beside).toEqual({
      exchange: topic,
      routingKey: topic,
      messageId: 'ours-1',
      contentType: 'application/json',
      type: 'user.created',
      deliveryMode: 2,
      headers: { tenant: 'ü', 'corebus-key': '1', 'corebus-correlation': 'c1' },
    })
    expect(timestamp).toBeGreaterThanOrEqual(before)
    expect(timestamp).toBeLessThanOrEqual(Date.now() / 1_000)

    expect(message).toMatchObject({ body: '{"plain":true}', messageId: 'ours-2', contentType: 'application/json', exchange: topic })
    expect(message?.type ?? null).toBe(null)
    expect(tombstone).toMatchObject({ body: '', messageId: 'ours-3', headers: { 'corebus-key': 'gone', 'corebus-tombstone': 'true' } })
  })
})
