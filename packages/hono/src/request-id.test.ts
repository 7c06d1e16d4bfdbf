import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { expect, test } from 'vitest'
import { freshMessaging, hear } from './fixtures/broker.ts'
import { requestScope } from './request-scope.ts'

const TOPIC = 'user-events'

const answering = (messaging: ReturnType<typeof freshMessaging>) => () => {
  messaging.emit('first', {}, { topic: TOPIC })
  messaging.emit('second', {}, { topic: TOPIC })
  return new Response('made without the context')
}
const correlations = (messages: readonly { headers: Readonly<Record<string, string>> }[]) =>
  messages.map(({ headers }) => headers['corebus-correlation'])

test('the request id of the caller is the correlation id of all it publishes, and is in the answer', async () => {
  const messaging = freshMessaging()
  const heard = await hear(messaging, TOPIC)
  const app = new Hono().use(requestScope(messaging)).get('/', answering(messaging))
  const response = await app.request('/', { headers: { 'X-Request-Id': 'abc:1' } })
  await heard.atLeast(2)
  expect([response.headers.get('x-request-id'), ...correlations(heard.messages)]).toEqual(['abc:1', 'abc:1', 'abc:1'])
})

test.each([undefined, '', 'with space', 'x'.repeat(256)])(
  'the request id is made where the caller sends none that can be used: %j',
  async (sent) => {
    const messaging = freshMessaging()
    const heard = await hear(messaging, TOPIC)
    const app = new Hono().use(requestScope(messaging)).get('/', answering(messaging))
    const response = await app.request('/', { headers: sent === undefined ? {} : { 'X-Request-Id': sent } })
    await heard.atLeast(2)
    const made = response.headers.get('x-request-id')
    expect(made).toMatch(/^[0-9a-f-]{36}$/)
    expect(correlations(heard.messages)).toEqual([made, made])
  },
)

test("the request id is that of Hono's own requestId middleware, where it is used", async () => {
  const messaging = freshMessaging()
  const heard = await hear(messaging, TOPIC)
  const app = new Hono()
    .use(requestId({ generator: () => 'from-hono' }))
    .use(requestScope(messaging))
    .get('/', answering(messaging))
  await app.request('/')
  await heard.atLeast(2)
  expect(correlations(heard.messages)).toEqual(['from-hono', 'from-hono'])
})
