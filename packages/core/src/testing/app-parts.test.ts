import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { storeInMemory } from '../../test/stores.ts'
import { exponential } from '../config/retry.ts'
import { consumer, onEvent } from '../decorators/consumer.ts'
import { cloudEvents } from '../envelopes/index.ts'
import { RetryLater } from '../errors.ts'
import { createMessaging, type Messaging } from '../messaging.ts'
import { defineEvent } from '../wire/event-type.ts'
import { testApp } from './index.ts'

const Placed = defineEvent(
  'order.placed',
  z.object({
    id: z.number(),
    at: z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() }).optional(),
  }),
  { topic: 'orders' },
)
const Billed = defineEvent('order.billed', z.object({ id: z.number() }), { topic: 'bills' })

/** An instance as a service makes one, on whatever broker. */
function shop(register: (messaging: Messaging) => void, options: object = {}): Messaging {
  const messaging = createMessaging({ service: 'shop', env: {}, ...options })
  register(messaging)
  return messaging
}

test('a class is tested with what its test injects, and each app has an instance of it of its own', async () => {
  const made: object[] = []
  // Experimental decorators or standard ones: what is registered is the same.
  class Bills {
    readonly gateway: { charge(id: number): Promise<void> }
    constructor(gateway: Bills['gateway']) {
      this.gateway = gateway
      made.push(this)
    }
    async bill({ data }: { data: { id: number } }): Promise<void> {
      await this.gateway.charge(data.id)
    }
  }
  onEvent(Placed)(Bills.prototype as never, 'bill' as never, Object.getOwnPropertyDescriptor(Bills.prototype, 'bill') as never)
  consumer('bills', { maxRetries: 2, retryDelayMs: 60_000 })(Bills as never)
  const charged: number[] = []
  const gateway = { charge: async (id: number) => void charged.push(id) }
  for (let n = 1; n <= 2; n++) {
    await using app = await testApp({ handlers: [Bills], service: 'shop', resolve: (Class) => new Class(gateway) })
    app.fail([gateway, 'charge'], new Error('away'), { times: 1 })
    await app.publish(Placed, { id: n })
    await app.settled()
    expect(app.retries(Placed)).toMatchObject([{ group: 'bills', afterMs: 60_000, error: { message: 'away' } }])
    expect(app.handled(Placed)).toMatchObject([{ handler: 'Bills.bill', attempt: 2, data: { id: n } }])
  }
  expect([charged, made.length]).toEqual([[1, 2], 2])
})

describe('what is published', () => {
  test('is shown as its readers get it: by type decoded, by topic as it travels, foreign messages as they are', async () => {
    await using app = await testApp({ messaging: shop(() => undefined) })
    const at = new Date('2026-01-02T03:04:05.000Z')
    await app.publish(Placed, { id: 1, at }, { key: 'k', headers: { tenant: 'a' }, id: 'm-1' })
    await app.publish('others', { plain: true })
    await app.raw('others', 'no json', { source: 'php' }, { key: 'p' })
    await app.raw('others', new Uint8Array([0xff]))
    expect(app.published(Placed)).toEqual([
      expect.objectContaining({
        id: 'm-1',
        topic: 'orders',
        event: 'order.placed',
        key: 'k',
        data: { id: 1, at },
        headers: expect.objectContaining({ tenant: 'a' }),
      }),
    ])
    expect(app.published('orders')).toMatchObject([{ data: { id: 1, at: at.toISOString() } }])
    expect(app.published('others').map(({ id, data, key }) => [id.length, data, key])).toEqual([
      [36, { plain: true }, undefined],
      [0, 'no json', 'p'],
      [0, new Uint8Array([0xff]), undefined],
    ])
    expect(app.published()).toHaveLength(4)
    expect(app.published('nobody')).toEqual([])
  })

  test('is read through the envelope of others where it travels in one', async () => {
    const messaging = shop((on) => on.on(Placed, { group: 'g' }, () => undefined), { topology: { topics: { orders: cloudEvents } } })
    await using app = await testApp({ messaging })
    await app.publish(Placed, { id: 1 })
    await app.settled()
    expect(app.published(Placed)).toMatchObject([{ data: { id: 1 } }])
    expect(app.handled(Placed)).toMatchObject([{ data: { id: 1 } }])
  })
})

test('foreign messages, unknown events and what does not fit its schema are told apart', async () => {
  const messaging = shop((on) => {
    on.on(Placed, { group: 'bills' }, () => undefined)
    on.handle({ topic: 'raw', group: 'raw' }, () => undefined)
  })
  await using app = await testApp({ messaging })
  await app.publish(Placed, { id: 1 })
  await app.publish('orders', { name: 'order.lost', data: 1, timestamp: '', source: '' })
  await app.publish('orders', { name: 'order.placed', data: { id: 'one' }, timestamp: '', source: '' })
  await app.raw('raw', '{"from":"php"}')
  await app.settled()
  expect(app.skipped()).toMatchObject([{ event: 'order.lost', group: 'bills', topic: 'orders', data: 1 }])
  expect(app.deadLetters()).toMatchObject([
    { reason: 'schema', event: 'order.placed', data: { id: 'one' }, error: { code: 'PAYLOAD_INVALID' } },
  ])
  expect(app.handled('raw')).toMatchObject([{ data: { from: 'php' }, group: 'raw' }])
  expect(app.handled(Placed, { group: 'nobody' })).toEqual([])
})

test('a key that waits for its retry in its lane, RetryLater and a handler past its time-out follow the clock', async () => {
  const seen: string[] = []
  const messaging = shop((on) => {
    let tries = 0
    on.handle({ topic: 'keyed', group: 'keyed', ordering: 'key' }, (message) => {
      if (message === 'a1' && ++tries < 3) throw new Error('no')
      seen.push(message)
    })
    let snoozed = 0
    on.handle({ topic: 'later', group: 'later', retryDelayMs: 3_600_000 }, () => {
      if (snoozed++ === 0) throw new RetryLater(60_000)
    })
    on.handle(
      { topic: 'slow', group: 'slow', maxRetries: 0, handlerTimeoutMs: 60_000 },
      (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    )
  })
  await using app = await testApp({ messaging })
  await app.publish('keyed', 'a1', { key: 'a' })
  await app.publish('keyed', 'a2', { key: 'a' })
  await app.publish('later', 1)
  await app.settled()
  expect(seen).toEqual(['a1', 'a2'])
  expect(app.retries('later')).toMatchObject([{ afterMs: 3_600_000, error: { name: 'RetryLater' } }])
  await app.publish('slow', 1)
  await app.advance('59s')
  await app.advance('2s')
  expect(app.deadLetters('slow')).toMatchObject([{ reason: 'failed', attempts: 1, error: { code: 'HANDLER_TIMEOUT' } }])
})

test('a named handler is made to fail, by its function, by what it listens to or by its line, until clear', async () => {
  const messaging = shop((on) => {
    on.on(Placed, { group: 'bills', maxRetries: 0 }, function bill() {})
    on.on(Placed, { group: 'mails', maxRetries: 0 }, () => undefined)
  })
  await using app = await testApp({ messaging })
  app.fail('bill', new Error('as asked'))
  await app.publish(Placed, { id: 1 })
  await app.settled()
  expect(app.deadLetters()).toMatchObject([{ group: 'bills', error: { message: 'as asked' } }])
  await app.clear()
  expect([app.published(), app.handled(), app.deadLetters(), app.timeline()]).toEqual([[], [], [], '  nothing has happened'])
  await app.publish(Placed, { id: 1 })
  await app.settled()
  expect(app.handled(Placed)).toHaveLength(2)
  expect(() => app.fail('nobody', new Error('x'))).toThrow(
    expect.objectContaining({ code: 'OPTION', message: expect.stringContaining('bill (on(order.placed))') }),
  )
})

test('sessions, middleware and the outbox of the service are its own; what the test publishes goes past them', async () => {
  const store = storeInMemory()
  const log: string[] = []
  const messaging = shop(
    (on) => {
      on.use({
        publish(message, next) {
          log.push(`out ${message.event}`)
          return next(message)
        },
        handle(call, next) {
          log.push(`in ${call.context.topic}`)
          return next()
        },
      })
      on.on(Placed, { group: 'bills' }, async ({ data }, { publishEvent }) => publishEvent(Billed, { id: data.id }))
    },
    { session: store.sessions },
  )
  await using app = await testApp({ messaging })
  await app.publish(Placed, { id: 1 })
  await app.settled()
  expect(log).toEqual(['in orders', 'out order.billed'])
  expect(app.published(Billed)).toMatchObject([{ data: { id: 1 } }])
})

test('a pool that onClose closes stays open for the next app where the test leaves onClose out', async () => {
  let closed = 0
  const messaging = shop((one) => one.on(Placed, {}, () => undefined), { onClose: () => void closed++ })
  await (await testApp({ messaging, onClose: undefined })).close()
  expect(closed).toBe(0)
  await (await testApp({ messaging })).close()
  expect(closed).toBe(1)
})

test('several instances have an app each at once, and know nothing of each other', async () => {
  const apps = await Promise.all(
    [1, 2, 3].map((n) => testApp({ messaging: shop((on) => on.on(Placed, { group: 'g' }, () => undefined)), now: n })),
  )
  await Promise.all(apps.map((app, n) => app.publish(Placed, { id: n }, { id: 'the same' })))
  await Promise.all(apps.map((app) => app.settled()))
  expect(apps.map((app) => [app.clock.now(), app.handled().map(({ data }) => data)])).toEqual([1, 2, 3].map((n) => [n, [{ id: n - 1 }]]))
  await Promise.all(apps.map((app) => app.close()))
})

test('fake timers of the runner stay its own, and the kit goes on without them', async () => {
  vi.useFakeTimers()
  let rang = 0
  const messaging = shop((on) =>
    on.handle({ topic: 't', group: 'g', retryDelayMs: 1_800_000 }, (_, { attempt }) => {
      setTimeout(() => rang++, 1_000)
      if (attempt === 1) throw new Error('no')
    }),
  )
  const app = await testApp({ messaging })
  await app.publish('t', 1)
  await app.settled()
  expect([app.handled('t').length, rang, Date.now()]).toEqual([1, 0, app.clock.now() - 1_800_000])
  await vi.advanceTimersByTimeAsync(1_000)
  expect(rang).toBe(2)
  await app.close()
  vi.useRealTimers()
})

test('the web app is asked without a server, and what a request publishes is there when it has answered', async () => {
  const messaging = shop((on) => on.on(Placed, { group: 'bills' }, () => undefined))
  const hono = {
    async request(path: string | Request | URL, init?: RequestInit) {
      const request = messaging.openRequest()
      const response = await request.run(async () => {
        messaging.emit(Placed, { id: Number(String(path).slice(1)) })
        return Response.json({ method: init?.method }, { status: 201 })
      })
      // A framework lets it go once the response is out.
      setTimeout(() => void request.release(), 5)
      return response
    },
  }
  await using app = await testApp({ messaging, hono })
  expect((await app.request('/7', { method: 'POST' })).status).toBe(201)
  await app.settled()
  expect(app.handled(Placed)).toMatchObject([{ data: { id: 7 } }])
  await using bare = await testApp({ messaging: shop(() => undefined) })
  await expect(bare.request('/')).rejects.toMatchObject({ code: 'OPTION', message: expect.stringContaining('testApp({ hono: app })') })
})

test('a timeline has at most 30 lines, the first and the last of them', async () => {
  await using app = await testApp({ messaging: shop((on) => on.handle({ topic: 't', group: 'g' }, () => undefined)) })
  for (let n = 0; n < 100; n++) await app.publish('t', n, { id: `m-${n}` })
  await app.settled()
  const lines = app.timeline().split('\n')
  expect(lines).toHaveLength(30)
  expect([lines[0], lines[9], lines[29]]).toEqual([
    expect.stringContaining('published   a message of t to t (m-0)'),
    expect.stringContaining('171 more'),
    expect.stringContaining('handled     a message of t by g (m-99)'),
  ])
})

test('a seed decides in which order groups get their messages, and how much later than asked they are tried again', async () => {
  const run = async (seed?: number) => {
    const order: string[] = []
    const register = (on: Messaging) => {
      for (const group of ['a', 'b', 'c'])
        on.handle(
          { topic: 't', group, backoff: exponential({ firstMs: 1_000, jitter: 0.5 }), maxRetries: 1 },
          async (n: number, { attempt, key }) => {
            order.push(`${group}${n}${key}`)
            if (attempt === 1 && n === 0) throw new Error('again')
          },
        )
    }
    await using app = await testApp({ messaging: shop(register), ...(seed !== undefined && { seed }) })
    for (let n = 0; n < 4; n++) {
      await app.publish('t', n, { key: 'k' })
      // Each is handed out by itself.
      await app.settled()
    }
    return { order, waits: app.retries().map(({ afterMs }) => afterMs) }
  }
  const [once, again, other, none] = [await run(7), await run(7), await run(8), await run()]
  expect(again).toEqual(once)
  expect(other.order).not.toEqual(once.order)
  expect(other.waits).not.toEqual(once.waits)
  expect(other.order.toSorted()).toEqual(once.order.toSorted())
  expect(none).toEqual(await run())
})
