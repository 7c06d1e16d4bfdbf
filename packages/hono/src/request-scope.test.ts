import { EventEmitter, once } from 'node:events'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Hono } from 'hono'
import { streamText } from 'hono/streaming'
import { describe, expect, test } from 'vitest'
import { allHeard, freshMessaging, hear } from './fixtures/broker.ts'
import { freshDatabase } from './fixtures/database.ts'
import { type Bindings, serve } from './fixtures/server.ts'
import { requestScope } from './request-scope.ts'

const TOPIC = 'user-events'

describe('over HTTP', () => {
  test('a broker whose confirm is held for 2 s does not delay the response', async () => {
    const messaging = freshMessaging()
    const held: number[] = []
    messaging.use({
      publish: async (message, next) => {
        await next(message)
        await sleep(2_000)
        held.push(Date.now())
      },
    })
    const heard = await hear(messaging, TOPIC)
    const app = new Hono().use(requestScope(messaging)).post('/users', (c) => {
      messaging.emit('user.created', { id: 1 }, { topic: TOPIC })
      return c.json({ id: 1 }, 201)
    })
    const url = await serve(app)

    const before = Date.now()
    const response = await fetch(`${url}/users`, { method: 'POST' })
    expect([response.status, await response.json()]).toEqual([201, { id: 1 }])
    expect(Date.now() - before).toBeLessThan(1_500)
    await heard.atLeast(1)
    expect(heard.events).toMatchObject([{ name: 'user.created', data: { id: 1 }, source: 'x' }])
    await messaging.close()
    expect(held).toHaveLength(1)
    expect(held[0]).toBeGreaterThanOrEqual(before + 1_900)
  })

  test('an event leaves after its response, not before', async () => {
    const messaging = freshMessaging()
    const order: string[] = []
    messaging.use({
      publish: async (message, next) => {
        order.push('published')
        await next(message)
      },
    })
    const heard = await hear(messaging, TOPIC)
    const app = new Hono<{ Bindings: Bindings }>().use(requestScope(messaging)).get('/', (c) => {
      messaging.emit('seen', {}, { topic: TOPIC })
      c.env.outgoing.prependOnceListener('finish', () => order.push('response out'))
      return c.text('ok')
    })
    await fetch(await serve(app))
    await heard.atLeast(1)
    expect(order).toEqual(['response out', 'published'])
  })

  test('a client that disconnects while the handler runs does not prevent the event', async () => {
    const messaging = freshMessaging()
    const heard = await hear(messaging, TOPIC)
    const handler = new EventEmitter()
    const app = new Hono<{ Bindings: Bindings }>().use(requestScope(messaging)).post('/', async (c) => {
      handler.emit('running')
      await once(c.env.outgoing, 'close')
      messaging.emit('user.created', { id: 1 }, { topic: TOPIC })
      return c.json({ id: 1 })
    })
    const url = await serve(app)

    const running = once(handler, 'running')
    const call = request(url, { method: 'POST' }).end()
    call.on('error', () => undefined)
    await running
    call.destroy()
    await heard.atLeast(1)
    expect(heard.events).toMatchObject([{ name: 'user.created' }])
  })

  test('a client that disconnects while a failing handler runs changes nothing: no event', async () => {
    const messaging = freshMessaging()
    const heard = await hear(messaging, TOPIC)
    const handler = new EventEmitter()
    const app = new Hono<{ Bindings: Bindings }>().use(requestScope(messaging)).post('/', async (c) => {
      handler.emit('running')
      await once(c.env.outgoing, 'close')
      messaging.emit('user.created', { id: 1 }, { topic: TOPIC })
      setImmediate(() => handler.emit('answered'))
      return c.json({}, 409)
    })
    const url = await serve(app)

    const running = once(handler, 'running')
    const answered = once(handler, 'answered')
    const call = request(url, { method: 'POST' }).end()
    call.on('error', () => undefined)
    await running
    call.destroy()
    await answered
    expect(await allHeard(messaging, heard, TOPIC)).toEqual([])
  })

  test('close waits for a handler whose client and server have gone', async () => {
    const messaging = freshMessaging()
    const handler = new EventEmitter()
    const app = new Hono<{ Bindings: Bindings }>().use(requestScope(messaging)).post('/', async (c) => {
      handler.emit('running')
      await once(handler, 'go on')
      messaging.emit('user.created', { id: 1 }, { topic: TOPIC })
      return c.json({ id: 1 })
    })
    const running = once(handler, 'running')
    const call = request(await serve(app), { method: 'POST' }).end()
    call.on('error', () => undefined)
    await running
    call.destroy()
    const closing = messaging.close()
    handler.emit('go on')
    await closing
    expect(messaging.counters).toMatchObject({ published: 1, publishFailed: 0 })
  })

  test('what a streaming response records leaves at its end', async () => {
    const messaging = freshMessaging()
    const heard = await hear(messaging, TOPIC)
    const reader = new EventEmitter()
    const app = new Hono().use(requestScope(messaging)).get('/', (c) => {
      messaging.emit('started', {}, { topic: TOPIC })
      return streamText(c, async (stream) => {
        await stream.write('first')
        await once(reader, 'read')
        messaging.emit('streamed', {}, { topic: TOPIC })
        await stream.write('last')
      })
    })
    const response = await fetch(await serve(app))
    const body = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await body?.read())?.value).toBe('first')
    expect(await allHeard(messaging, heard, TOPIC)).toEqual([])
    reader.emit('read')
    await heard.atLeast(3)
    expect(heard.events.map(({ name }) => name)).toEqual(['end', 'started', 'streamed'])
  })

  test('an error of a middleware outside of the scope discards as well', async () => {
    const messaging = freshMessaging()
    const heard = await hear(messaging, TOPIC)
    const app = new Hono()
      .use(async (_, next) => {
        await next()
        throw new Error('its commit failed')
      })
      .use(requestScope(messaging))
      .get('/', (c) => {
        messaging.emit('user.created', {}, { topic: TOPIC })
        return c.text('ok')
      })
    app.onError((_, c) => c.text('failed', 500))
    const response = await fetch(await serve(app))
    expect(response.status).toBe(500)
    expect(await allHeard(messaging, heard, TOPIC)).toEqual([])
  })
})

describe('where nothing can run after the response', () => {
  test('app.request() answers when the event is confirmed', async () => {
    const messaging = freshMessaging()
    const app = new Hono().use(requestScope(messaging)).get('/', (c) => {
      messaging.emit('seen', {}, { topic: TOPIC })
      return c.text(`published: ${messaging.counters.published}`)
    })
    expect(await (await app.request('/')).text()).toBe('published: 0')
    expect(messaging.counters.published).toBe(1)
  })

  test('an event that cannot be published is logged and counted, and the request is answered all the same', async () => {
    const messaging = freshMessaging()
    messaging.use({ publish: () => Promise.reject(new Error('no broker')) })
    const app = new Hono().use(requestScope(messaging)).get('/', (c) => {
      messaging.emit('seen', {}, { topic: TOPIC })
      return c.text('ok')
    })
    expect((await app.request('/')).status).toBe(200)
    expect(messaging.counters.publishFailed).toBe(1)
  })

  test('waitUntil takes it, where the runtime has it', async () => {
    const messaging = freshMessaging()
    const after: Promise<unknown>[] = []
    const app = new Hono().use(requestScope(messaging)).get('/', (c) => {
      messaging.emit('seen', {}, { topic: TOPIC })
      return c.text('ok')
    })
    const execution = { waitUntil: (work: Promise<unknown>) => after.push(work), passThroughOnException: () => undefined, props: {} }
    await app.request('/', {}, {}, execution)
    expect(after).toHaveLength(1)
    await Promise.all(after)
    expect(messaging.counters.published).toBe(1)
  })
})

test('a request under two requestScopes has one scope and one session', async () => {
  const { session, rows } = freshDatabase()
  const messaging = freshMessaging({ session })
  const app = new Hono()
    .use(requestScope(messaging))
    .use('/users/*', requestScope(messaging))
    .get('/users/1', (c) => {
      c.get('db').exec('INSERT INTO parent DEFAULT VALUES')
      messaging.emit('seen', {}, { topic: TOPIC })
      return c.text('ok')
    })
  expect((await app.request('/users/1')).status).toBe(200)
  expect([rows(), messaging.counters.published]).toEqual([1, 1])
})
