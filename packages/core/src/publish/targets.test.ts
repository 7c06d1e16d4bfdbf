import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { collector, onMemory, until } from '../../test/kit.ts'
import type { Capabilities, Driver, Message } from '../driver.ts'
import { memoryDriver } from '../drivers/memory/driver.ts'
import type { Messaging } from '../messaging.ts'
import type { OutboxMessage } from '../scope/companion.ts'
import { newId } from '../wire/id.ts'

/** A memory broker as one with these abilities, which keeps what it is given. */
function able(capabilities: Partial<Capabilities>, refuses?: string) {
  const given: Message[] = []
  const ensured: string[] = []
  const driver = (options: Parameters<typeof memoryDriver>[0]): Driver => {
    const memory = memoryDriver(options)
    return {
      ...memory,
      name: 'theirs',
      capabilities: { ...memory.capabilities, ...capabilities },
      ensure: (topology, mode) => {
        ensured.push(...topology.topics)
        return memory.ensure(topology, mode)
      },
      publish: async (messages) => {
        if (refuses) throw new Error(refuses)
        given.push(...messages)
      },
    }
  }
  return { messaging: onMemory({ broker: undefined as never, url: `memory://${newId()}`, driver }), given, ensured }
}

const read = (messaging: Messaging, topic: string): Promise<readonly Message[]> => {
  const all: Message[] = []
  return messaging
    .driver()
    .then((driver) => driver.tail({ topic, from: 'earliest', onMessages: (messages) => void all.push(...messages) }))
    .then(async ({ stop }) => {
      await until(
        () => all.length > 0,
        () => topic,
      )
      await stop()
      return all
    })
}

describe('a message for an exchange of others', () => {
  test('is given to a driver that has exchanges as it is, and neither its topic nor the exchange is declared', async () => {
    const { messaging, given, ensured } = able({ sources: ['exchange', 'queue'], targets: true })
    const { send, sendAll } = messaging.getProducer()
    const properties = { type: 'order', replyTo: 'answers', correlationId: '7', expiration: 500, priority: 3 }
    await send('orders', { id: 1 }, { exchange: 'shop.orders', routingKey: 'order.eu.created', properties })
    await sendAll('orders', [{ message: 2, exchange: '', routingKey: 'billing' }])
    expect(given.map(({ topic, target, properties }) => [topic, target, properties])).toEqual([
      ['orders', { exchange: 'shop.orders', routingKey: 'order.eu.created' }, properties],
      ['orders', { exchange: '', routingKey: 'billing' }, undefined],
    ])
    expect(ensured).toEqual([])
    await send('orders', 3)
    expect(ensured).toEqual(['orders'])
    expect(given.at(-1)).not.toHaveProperty('target')
  })

  test('is refused where a server has none, with what to do, and what goes to the topic beside it is published', async () => {
    const { messaging, given, ensured } = able({ sources: ['stream'] })
    const { send } = messaging.getProducer()
    const [refused, published] = await Promise.allSettled([send('orders', 1, { exchange: 'shop' }), send('orders', 2)])
    expect(refused).toMatchObject({
      reason: {
        code: 'TARGET',
        message: expect.stringContaining('the theirs broker has no exchanges: publish to the topic'),
        failures: [{ permanent: true }],
      },
    })
    expect(published.status).toBe('fulfilled')
    expect([given.map(({ body }) => String.fromCharCode(...body)), ensured]).toEqual([['2'], ['orders']])
  })

  test('that the broker does not take fails as any other does', async () => {
    const { messaging } = able({ sources: ['exchange'], targets: true }, 'no such exchange')
    await expect(messaging.getProducer().send('orders', 1, { exchange: 'shop' })).rejects.toMatchObject({
      code: 'PUBLISH_FAILED',
      message: expect.stringContaining('no such exchange'),
    })
  })

  test('goes into the log of its topic on the memory broker, which is said once', async () => {
    const { logger, lines } = collector()
    const messaging = onMemory({ logger })
    const { send } = messaging.getProducer()
    await send('orders', 1, { exchange: 'shop.orders', routingKey: 'a' })
    await send('orders', 2, { exchange: '', routingKey: 'b' })
    await send('other', 3, { exchange: '', routingKey: 'b' })
    const messages = await read(messaging, 'orders')
    expect(messages.map(({ body, target }) => [String.fromCharCode(...body), target])).toEqual([
      ['1', undefined],
      ['2', undefined],
    ])
    expect(lines.filter(({ msg }) => msg.includes('exchanges')).map(({ msg }) => msg)).toEqual([
      'the memory broker has no exchanges, so what is published to one goes into the log of its topic',
    ])
  })

  test('and what comes from a queue of others are the topic’s own log on SQLite too, across processes and restarts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'corebus-targets-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const { logger, lines } = collector()
    const open = () => onMemory({ broker: 'sqlite', url: join(folder, 'messages.db'), logger, names: { orders: 'shop:orders' } })
    const publisher = open()
    const properties = { type: 'order', priority: 1 }
    const said = { exchange: 'shop.orders', routingKey: 'a', properties, fields: () => ({ f: 'v' }) }
    await publisher.getProducer().send('orders', 1, said)
    await publisher.close()
    const consumer = open()
    const seen: unknown[] = []
    consumer.handle({ topic: 'orders', group: 'g', from: { queue: 'shop.billing' } }, (message: unknown, context) => {
      seen.push([message, context.properties, context.routingKey])
    })
    await consumer.start()
    await until(
      () => seen.length === 1,
      () => lines,
    )
    expect(seen).toEqual([[1, undefined, undefined]])
    expect(lines.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining([
        'the sqlite broker has no exchanges, so what is published to one goes into the log of its topic',
        expect.stringContaining('orders instead of queue shop.billing'),
      ]),
    )
  })

  test.each<[string, object, RegExp]>([
    ['a routing key alone', { routingKey: 'a' }, /has a routingKey and no exchange/],
    [
      'what expires in a topic of ours',
      { properties: { expiration: 5, priority: 1 } },
      /has properties\.expiration and properties\.priority, which only go together with \{ exchange, routingKey \}/,
    ],
    ['a property there is not', { properties: { replyto: 'x' } }, /properties\.replyto is not an option\. Did you mean replyTo/],
    [
      'a property of another type',
      { exchange: '', properties: { priority: 300 } },
      /properties\.priority must be a whole number from 0 to 255/,
    ],
    ['properties that are a text', { properties: 'x' }, /properties must be an object/],
    ['an exchange that is no text', { exchange: 7 }, /exchange must be a string/],
    ['fields that are no function', { fields: { a: 'b' } }, /fields must be a function/],
  ])('%s is refused with what is wrong', async (_, options, words) => {
    const { send } = onMemory().getProducer()
    await expect(send('orders', 1, options as never)).rejects.toMatchObject({ code: 'OPTION', message: expect.stringMatching(words) })
  })
})

test('every property that AMQP has is given to a driver, a time of today too; what is no time is refused', async () => {
  const { messaging, given } = able({ sources: ['exchange', 'queue'], targets: true })
  const properties = {
    contentType: 'text/plain',
    contentEncoding: 'utf-8',
    type: 'order.placed',
    messageId: 'm',
    correlationId: 'c',
    replyTo: 'answers',
    appId: 'app',
    userId: 'guest',
    timestamp: Date.now(),
    expiration: 60_000,
    priority: 3,
  }
  const { send } = messaging.getProducer()
  await send('orders', 'x', { exchange: 'shop', properties })
  expect(given[0]?.properties).toEqual(properties)
  for (const timestamp of [-1, Number.NaN, 1e300, new Date()])
    await expect(send('orders', 'x', { exchange: 'shop', properties: { timestamp: timestamp as number } })).rejects.toMatchObject({
      code: 'OPTION',
      message: expect.stringContaining('properties.timestamp must be a time in ms since the epoch'),
    })
})

describe('fields of one’s own', () => {
  test('are made of the message, by the call or by the topic, and go to the driver', async () => {
    const topics = { shop: { fields: ({ id }: { id: string }) => ({ uuid: id }) } }
    const given: Message[] = []
    const messaging = onMemory({ topology: { topics } })
    messaging.use({
      publish: async (message, next) => {
        given.push(message)
        await next(message)
      },
    })
    const { send } = messaging.getProducer()
    await send('shop', { n: 1 }, { id: 'a' })
    await send(
      'shop',
      { n: 2 },
      { id: 'b', key: 7, fields: ({ id, key, headers, body }) => ({ id, key: key ?? '', type: headers['content-type'] ?? '', body }) },
    )
    await send('other', { n: 3 })
    expect(given.map(({ fields }) => fields)).toEqual([
      { uuid: 'a' },
      { id: 'b', key: '7', type: 'application/json', body: new TextEncoder().encode('{"n":2}') },
      undefined,
    ])
  })

  test.each<[string, () => unknown, RegExp]>([
    ['nothing', () => undefined, /fields of a message of t must be an object of strings and Uint8Arrays/],
    ['no field', () => ({}), /with one of them at least/],
    ['a number', () => ({ n: 1 }), /strings and Uint8Arrays/],
    ['an error', () => JSON.parse('{'), /fields failed for a message of t: Expected property name/],
  ])('that give %s refuse the message', async (_, fields, words) => {
    await expect(
      onMemory()
        .getProducer()
        .send('t', 1, { fields: fields as never }),
    ).rejects.toMatchObject({
      code: 'OPTION',
      message: expect.stringMatching(words),
    })
  })

  test('count for the largest message', async () => {
    const { send } = onMemory({ maxBytes: 200 }).getProducer()
    await expect(send('t', 1, { fields: () => ({ blob: new Uint8Array(300) }) })).rejects.toMatchObject({ code: 'TOO_LARGE' })
    // No broker stores both.
    await send('t', new Uint8Array(120), { fields: ({ body }) => ({ blob: body }) })
  })
})

test('an outbox and a handler’s recorded events keep target, properties and fields', async () => {
  const written: Message[] = []
  const session = async <T>(work: (db: string) => Promise<T>): Promise<T> => work('tx')
  const messaging = onMemory({
    session,
    outbox: {
      write: async (_: unknown, messages: readonly OutboxMessage[]) => void written.push(...messages.map(({ message }) => message)),
    },
  } as never)
  const said = { exchange: 'shop', routingKey: 'a', properties: { type: 'x', priority: 1 }, fields: () => ({ f: 'v' }) }
  messaging.handle({ topic: 't', group: 'g' }, async (_: unknown, { emit, publishEvent }) => {
    emit('order.seen', {}, { topic: 'orders', ...said })
    await publishEvent('order.read', {}, { topic: 'orders', ...said })
  })
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(
    () => written.length === 2,
    () => messaging.counters,
  )
  const kept = { target: { exchange: 'shop', routingKey: 'a' }, properties: { type: 'x', priority: 1 }, fields: { f: 'v' } }
  expect(written).toMatchObject([
    { topic: 'orders', event: 'order.seen', ...kept },
    { topic: 'orders', event: 'order.read', ...kept },
  ])
})
