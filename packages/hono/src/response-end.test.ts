import { EventEmitter, once } from 'node:events'
import { connect, createServer, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer, type Http2Bindings } from '@hono/node-server'
import { type Env, Hono, type Schema } from 'hono'
import { expect, onTestFinished, test } from 'vitest'
import { freshMessaging, hear } from './fixtures/broker.ts'
import { requestScope } from './request-scope.ts'

const TOPIC = 'user-events'

async function overHttp2<E extends Env, S extends Schema, P extends string>(app: Hono<E, S, P>) {
  const server = createAdaptorServer({ fetch: app.fetch, createServer }) as Http2Server
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  client.on('error', () => undefined)
  onTestFinished(async () => {
    client.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return client
}

test('over HTTP/2 an event leaves when the response is out', async () => {
  const messaging = freshMessaging()
  const heard = await hear(messaging, TOPIC)
  const app = new Hono<{ Bindings: Http2Bindings }>().use(requestScope(messaging)).get('/', (c) => {
    messaging.emit('seen', {}, { topic: TOPIC })
    return c.text('ok')
  })
  const client = await overHttp2(app)
  const call = client.request({ ':path': '/' })
  const [headers] = await once(call, 'response')
  call.resume()
  expect(headers[':status']).toBe(200)
  await heard.atLeast(1)
})

test('over HTTP/2 a client that disconnects while the handler runs does not prevent the event', async () => {
  const messaging = freshMessaging()
  const heard = await hear(messaging, TOPIC)
  const handler = new EventEmitter()
  const app = new Hono<{ Bindings: Http2Bindings }>().use(requestScope(messaging)).get('/', async (c) => {
    handler.emit('running')
    await once(c.env.outgoing, 'close')
    messaging.emit('user.created', { id: 1 }, { topic: TOPIC })
    return c.json({ id: 1 })
  })
  const client = await overHttp2(app)
  const running = once(handler, 'running')
  const call = client.request({ ':path': '/' })
  call.on('error', () => undefined)
  await running
  client.destroy()
  await heard.atLeast(1)
  expect(heard.events).toMatchObject([{ name: 'user.created' }])
})
