import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { collector, deadLetters, onMemory, until } from '../../test/kit.ts'
import type { MessagingOptions } from '../config/messaging-options.ts'
import type { Delivery, Driver, Message } from '../driver.ts'
import { memoryDriver } from '../drivers/memory/driver.ts'
import type { Messaging } from '../messaging.ts'
import { defineEvent } from '../wire/event-type.ts'
import type { EnvelopeIn } from '../wire/foreign-envelope.ts'
import { newId } from '../wire/id.ts'

const Order = z.object({ id: z.number() })
const packets: EnvelopeIn = ({ json }) => {
  const packet = json()
  if (typeof packet !== 'object' || packet === null || !('pattern' in packet)) return undefined
  const { pattern, data, uid } = packet as { pattern: string; data: unknown; uid?: string }
  return { name: pattern, data, ...(uid !== undefined && { id: uid }) }
}
const Placed = defineEvent('order.placed', Order, { topic: 'shop', in: packets })
const Shipped = defineEvent('order.shipped', Order, { topic: 'shop', in: packets })

const handledAll = (messaging: Messaging, count: number) =>
  until(
    () => messaging.counters.handled + messaging.counters.skipped + messaging.counters.dead === count,
    () => messaging.counters,
  )

describe('events of others', () => {
  test('have their handlers, schemas and retries as ours do; what is not one of ours is skipped, counted and said once', async () => {
    const { logger, lines } = collector()
    const messaging = onMemory({ logger })
    const seen: unknown[] = []
    messaging.on(Placed, { group: 'g', maxRetries: 1, retryDelayMs: 1 }, (event, { attempt }) => {
      seen.push([event, attempt])
      if (attempt === 1) throw new Error('once more')
    })
    messaging.on(Shipped, { group: 'g' }, ({ data }) => void seen.push(data))
    await messaging.start()
    const { send } = messaging.getProducer()
    await send('shop', { pattern: 'order.placed', data: { id: 1 } })
    await send('shop', { pattern: 'order.shipped', data: { id: 2 } })
    await send('shop', { pattern: 'order.shipped', data: { id: 'x' } })
    await send('shop', { pattern: 'order.lost', data: {} })
    await send('shop', { something: 'else' })
    await send('shop', { something: 'again' })
    await handledAll(messaging, 6)
    expect(seen).toEqual(
      expect.arrayContaining([
        [{ name: 'order.placed', data: { id: 1 }, timestamp: '', source: '' }, 1],
        [{ name: 'order.placed', data: { id: 1 }, timestamp: '', source: '' }, 2],
        { id: 2 },
      ]),
    )
    expect(messaging.counters).toMatchObject({ handled: 2, retried: 1, skipped: 3, dead: 1 })
    const letters = await deadLetters(messaging)
    expect(letters.map(({ message: { headers } }) => headers['corebus-reason'])).toEqual(['schema'])
    const skipped = lines.filter(({ msg }) => msg.startsWith('skipped'))
    expect(skipped.map(({ msg }) => msg)).toEqual([
      'skipped order.lost from shop: nobody in the group handles event order.lost (said once, counted always)',
      'skipped a message from shop: the envelope (in) of topic shop says that it is not one of ours (said once, counted always)',
    ])
  })

  test('are dead letters where the group wants to see what nobody takes', async () => {
    const { logger, lines } = collector('warn')
    const messaging = onMemory({ logger })
    messaging.on(Placed, { group: 'g', unknown: 'deadLetter' }, () => undefined)
    await messaging.start()
    for (let n = 1; n <= 12; n++) await messaging.getProducer().send('shop', { something: 'else' })
    await handledAll(messaging, 12)
    const [letter] = await deadLetters(messaging)
    expect(letter?.message.headers).toMatchObject({ 'corebus-reason': 'not-an-event', 'corebus-error-code': 'UNKNOWN_EVENT' })
    // It has an envelope, and asked for this: nobody advises it to take another one.
    expect(lines.filter(({ msg }) => msg.includes('were no events'))).toEqual([])
  })

  test('leave what is not one of ours to the handler of messages, as it is', async () => {
    const messaging = onMemory()
    const seen: unknown[] = []
    messaging.on(Placed, { group: 'g' }, ({ name }) => void seen.push(name))
    messaging.handle({ topic: 'shop', group: 'g' }, (message: unknown) => void seen.push(message))
    await messaging.start()
    const { send } = messaging.getProducer()
    await send('shop', { something: 'else' })
    await send('shop', { pattern: 'order.lost', data: {} })
    await send('shop', { pattern: 'order.placed', data: { id: 1 } })
    await handledAll(messaging, 3)
    expect(seen).toEqual(expect.arrayContaining([{ something: 'else' }, { pattern: 'order.lost', data: {} }, 'order.placed']))
  })

  test.each<[string, EnvelopeIn, RegExp]>([
    ['throws', ({ json }) => json() as never, /the envelope \(in\) of topic shop failed: Expected property name/],
    ['rejects', async ({ json }) => json() as never, /the envelope \(in\) of topic shop failed: Expected property name/],
    ['returns no event', () => 'order.placed' as never, /it returned string and must return \{ name, data, id\?/],
    ['returns no name', () => ({ data: 1 }) as never, /it returned no name/],
    ['returns no data', () => ({ name: 'order.placed' }) as never, /it returned no data for order.placed/],
    ['returns a number as the id', () => ({ name: 'order.placed', data: 1, id: 7 }) as never, /it returned id as number/],
  ])('an envelope that %s makes a dead letter that names it, also beside a handler of messages', async (_, read, words) => {
    const messaging = onMemory()
    messaging.on(defineEvent('order.placed', Order, { topic: 'shop', in: read }), { group: 'g' }, () => undefined)
    messaging.handle({ topic: 'shop', group: 'g', decode: 'bytes' }, () => undefined)
    await messaging.start()
    await messaging.getProducer().send('shop', new TextEncoder().encode('{'))
    await handledAll(messaging, 1)
    const [letter] = await deadLetters(messaging)
    expect(letter?.message.headers).toMatchObject({
      'corebus-reason': 'envelope',
      'corebus-error-code': 'ENVELOPE',
      'corebus-error': expect.stringMatching(words),
    })
  })

  const { proxy: revoked, revoke } = Proxy.revocable({}, {})
  revoke()
  test.each<[string, () => unknown]>([
    ['an envelope returns', () => revoked],
    [
      'an envelope promises',
      async () => ({
        name: 'order.placed',
        get data() {
          return JSON.parse('{')
        },
      }),
    ],
    [
      'an envelope throws',
      () => {
        throw revoked
      },
    ],
    ['an envelope rejects with', () => Promise.reject(revoked)],
  ])('what cannot be read of what %s is one dead letter, and the next message is handled', async (_, odd) => {
    const messaging = onMemory()
    const read: EnvelopeIn = (message) => (message.json() === 'odd' ? (odd() as never) : packets(message))
    const seen: unknown[] = []
    const Read = defineEvent('order.placed', Order, { topic: 'shop', in: read })
    messaging.on(Read, { group: 'g', concurrency: 1 }, ({ data }) => void seen.push(data))
    messaging.handle({ topic: 'raw', group: 'g', concurrency: 1, decode: odd }, () => undefined)
    await messaging.start()
    const { send } = messaging.getProducer()
    await send('shop', 'odd')
    await send('raw', 'odd')
    await send('shop', { pattern: 'order.placed', data: { id: 1 } })
    await until(
      () => seen.length === 1 && messaging.counters.dead + messaging.counters.handled === 3,
      () => messaging.counters,
    )
    expect(seen).toEqual([{ id: 1 }])
    const [letter] = await deadLetters(messaging, 'shop')
    expect(letter?.message.headers).toMatchObject({ 'corebus-reason': 'envelope', 'corebus-error-code': 'ENVELOPE' })
  })

  test('a tombstone is asked of no envelope', async () => {
    const messaging = onMemory()
    messaging.on(Placed, { group: 'g' }, () => undefined)
    await messaging.start()
    await messaging.getProducer().send('shop', null, { key: 'k' })
    await handledAll(messaging, 1)
    expect(messaging.counters).toMatchObject({ skipped: 1, dead: 0 })
  })

  test('their own id is known to the inbox, to the handler and to what it publishes, on each attempt the same', async () => {
    const marks: unknown[] = []
    const options: MessagingOptions = {
      session: (work) => work('tx'),
      inbox: { firstTime: async (_, group, { id }) => marks.push([group, id]) > 0 },
      outbox: { write: async (_, messages) => void marks.push(messages.map(({ message }) => message.id)) },
    }
    const messaging = onMemory(options as never)
    const seen: unknown[] = []
    messaging.on(Placed, { group: 'g', maxRetries: 1, retryDelayMs: 1 }, (_, { id, attempt, emit }) => {
      seen.push([id, attempt])
      emit('order.seen', {}, { topic: 'other' })
      if (attempt === 1) throw new Error('once more')
    })
    await messaging.start()
    await messaging.getProducer().send('shop', { pattern: 'order.placed', data: { id: 1 }, uid: 'theirs-1' })
    await handledAll(messaging, 1)
    expect(seen).toEqual([
      ['theirs-1', 1],
      ['theirs-1', 2],
    ])
    expect(marks).toEqual([['g', 'theirs-1'], ['g', 'theirs-1'], [expect.stringMatching(/^[0-9a-f-]{36}$/)]])
  })

  test('without an id on their broker are known by it in logs, and to the inbox; without one in either they are counted', async () => {
    const { logger, lines } = collector('info')
    const marks: unknown[] = []
    const messaging = onMemory({
      logger,
      broker: undefined as never,
      url: `memory://${newId()}`,
      session: (work) => work('tx'),
      inbox: { firstTime: async (_: unknown, __: string, { id }: Message) => marks.push(id) > 0 },
      outbox: { write: async () => undefined },
      driver: (options) => {
        const memory = memoryDriver(options)
        const nameless = (given: readonly Delivery[]) => given.map((one) => ({ ...one, message: { ...one.message, id: '' } }))
        const subscribe: Driver['subscribe'] = (to) =>
          memory.subscribe({ ...to, onDeliveries: (given) => to.onDeliveries(nameless(given)) })
        return { ...memory, subscribe }
      },
    })
    messaging.on(Placed, { group: 'g', maxRetries: 1, retryDelayMs: 1 }, (_, { attempt }) => {
      if (attempt === 1) throw new Error('once more')
    })
    await messaging.start()
    const { send } = messaging.getProducer()
    await send('shop', { pattern: 'order.placed', data: { id: 1 }, uid: 'theirs-1' })
    await handledAll(messaging, 1)
    expect([marks, messaging.counters.withoutId]).toEqual([['theirs-1', 'theirs-1'], 0])
    expect(lines.filter(({ msg }) => msg.startsWith('retry')).map(({ id }) => id)).toEqual(['theirs-1'])
    await send('shop', { pattern: 'order.placed', data: { id: 2 } })
    await handledAll(messaging, 2)
    expect([marks.length, messaging.counters.withoutId]).toEqual([2, 2])
  })

  test('may be waited for, with what the broker has beside the body', async () => {
    const messaging = onMemory()
    const seen: unknown[] = []
    const Read = defineEvent('order.placed', Order, {
      topic: 'shop',
      in: async ({ topic, key, headers, header, properties, fields, routingKey, body, text }) => {
        await Promise.resolve()
        seen.push([
          topic,
          key && [...key],
          Object.keys(headers).includes('kind'),
          header('kind'),
          header('none'),
          properties,
          fields,
          routingKey,
        ])
        seen.push([body.length, text()])
        return { name: 'order.placed', data: { id: Number(text()) }, timestamp: '2026-01-01T00:00:00.000Z', source: 'theirs' }
      },
    })
    messaging.on(Read, { group: 'g' }, (event) => void seen.push(event))
    await messaging.start()
    await messaging.getProducer().send('shop', new TextEncoder().encode('12'), { key: 'k', headers: { kind: 'order' } })
    await handledAll(messaging, 1)
    expect(seen).toEqual([
      ['shop', [107], true, 'order', undefined, {}, {}, undefined],
      [2, '12'],
      { name: 'order.placed', data: { id: 12 }, timestamp: '2026-01-01T00:00:00.000Z', source: 'theirs' },
    ])
  })
})

describe('where an envelope is said', () => {
  const start = async (options: MessagingOptions, register: (messaging: Messaging) => void) => {
    const messaging = onMemory(options)
    register(messaging)
    return messaging.start().then(
      () => messaging,
      (error: Error) => error,
    )
  }
  const Plain = defineEvent('order.placed', Order, { topic: 'shop' })

  test.each<[string, MessagingOptions]>([
    ['at the app', { in: packets }],
    ['at the topic', { topology: { topics: { shop: { in: packets } } } }],
    ['at the topic instead of the app’s', { in: () => undefined, topology: { topics: { shop: { in: packets } } } }],
  ])('%s it holds for events with and without a definition', async (_, options) => {
    const seen: string[] = []
    const messaging = await start(options, ({ on }) => {
      on(Plain, { group: 'g' }, ({ name }) => void seen.push(name))
      on('order.shipped', { group: 'g', topic: 'shop' }, ({ name }) => void seen.push(name))
    })
    if (messaging instanceof Error) throw messaging
    for (const pattern of ['order.placed', 'order.shipped']) await messaging.getProducer().send('shop', { pattern, data: { id: 1 } })
    await handledAll(messaging, 2)
    expect(seen.sort()).toEqual(['order.placed', 'order.shipped'])
  })

  test('events of one topic that name different ones, or of which one names none, are an error at start that names both', async () => {
    const Other = defineEvent('order.shipped', Order, { topic: 'shop', in: () => undefined })
    for (const other of [Other, defineEvent('order.shipped', Order, { topic: 'shop' })])
      expect(await start({}, ({ on }) => [on(Placed, { group: 'g' }, () => 1), on(other, { group: 'g' }, () => 1)])).toMatchObject({
        code: 'HANDLERS',
        message: expect.stringMatching(
          /events order\.placed \(.*\) and order\.shipped \(.*\) travel on topic shop and name different envelopes/,
        ),
      })
    expect(await start({ topology: { topics: { shop: { in: packets } } } }, ({ on }) => on(Other, { group: 'g' }, () => 1))).toMatchObject({
      code: 'HANDLERS',
      message: expect.stringMatching(/event order\.shipped \(.*\) names another envelope \(in, out\) than topology\.topics\["shop"\]/),
    })
    const agree = await start({ in: () => undefined, topology: { topics: { shop: { in: packets } } } }, ({ on }) => [
      on(Placed, { group: 'g' }, () => 1),
      on(Plain, { group: 'h' }, () => 1),
    ])
    expect(agree).not.toBeInstanceOf(Error)
  })

  test('one that only writes cannot be handled', async () => {
    const Written = defineEvent('order.placed', Order, { topic: 'shop', out: ({ data }) => ({ body: data }) })
    expect(await start({}, ({ on }) => on(Written, { group: 'g' }, () => 1))).toMatchObject({
      code: 'HANDLERS',
      message: expect.stringContaining('the envelope of topic shop has out and no in'),
    })
    expect(await start({}, ({ handle }) => handle({ topic: 'shop', group: 'g' }, () => 1))).not.toBeInstanceOf(Error)
  })
})

test.each([true, false])(
  'after the tenth body within a minute that is no event one line says how to skip them, and no second one, with deadLetter: %s',
  async (deadLetter) => {
    const { logger, lines } = collector('warn')
    const messaging = onMemory({ logger })
    messaging.on('order.placed', { group: 'g', topic: 'shop', deadLetter }, () => undefined)
    await messaging.start()
    const givenUp = () => messaging.counters.dead + messaging.counters.dropped
    const said = () => lines.filter(({ msg }) => msg.includes('were no events'))
    for (let n = 1; n <= 9; n++) await messaging.getProducer().send('shop', n % 2 ? { n } : new TextEncoder().encode('no JSON'))
    await until(
      () => givenUp() === 9,
      () => messaging.counters,
    )
    expect(said()).toEqual([])
    for (let n = 10; n <= 25; n++) await messaging.getProducer().send('shop', { n })
    await until(
      () => givenUp() === 25,
      () => messaging.counters,
    )
    expect(said().map(({ msg }) => msg)).toEqual([
      expect.stringContaining(
        '10 messages of shop within a minute were no events, and group g has given up on each of them. If others publish there too',
      ),
    ])
    expect(said()[0]?.msg).toContain('topology: { topics: { "shop": ownEvents } } with ownEvents of @corebus/core/envelopes')
  },
)
