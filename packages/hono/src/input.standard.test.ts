import { Buffer } from 'node:buffer'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { type ActionContext, action } from './action.ts'
import { freshMessaging } from './fixtures/broker.ts'
import { serve } from './fixtures/server.ts'
import { mount } from './mount.ts'
import { ViewSet } from './view-set.ts'

const Order = z.object({ user_id: z.number().int(), items: z.array(z.object({ sku: z.string() })).min(1) })
const Page = z.object({ page: z.coerce.number().default(1), tag: z.union([z.string(), z.array(z.string())]).optional() })

class Things extends ViewSet {
  @action({ method: 'POST', body: Order })
  order(_: Context, { body }: ActionContext<unknown, z.infer<typeof Order>>) {
    return body
  }

  @action({ query: Page })
  found(_: Context, { query }: ActionContext<unknown, unknown, z.infer<typeof Page>>) {
    return query
  }
}

function mounted(): Hono {
  const app = new Hono()
  mount(app, '/things', Things, { messaging: freshMessaging() })
  return app
}

async function post(body?: string) {
  const response = await mounted().request('/things/order', { method: 'POST', ...(body !== undefined && { body }) })
  return [response.status, response.headers.get('content-type'), await response.text()]
}

test('body and query fit their schemas when the action runs', async () => {
  expect(await post('{"user_id":1,"items":[{"sku":"a"}],"extra":1}')).toEqual([
    201,
    'application/json',
    '{"user_id":1,"items":[{"sku":"a"}]}',
  ])
  const app = mounted()
  expect(await (await app.request('/things/found?page=3&tag=a&tag=b')).json()).toEqual({ page: 3, tag: ['a', 'b'] })
  expect(await (await app.request('/things/found?tag=a')).json()).toEqual({ page: 1, tag: 'a' })
})

test('a body that does not fit is 422 with the issues', async () => {
  const [status, type, body] = await post('{"user_id":"1","items":[{"sku":1}]}')
  expect([status, type, JSON.parse(String(body))]).toEqual([
    422,
    'application/json',
    {
      error: 'the body does not fit',
      issues: [
        { path: ['user_id'], message: expect.any(String) },
        { path: ['items', 0, 'sku'], message: expect.any(String) },
      ],
    },
  ])
})

test('a query that does not fit is 422 with the issues', async () => {
  const response = await mounted().request('/things/found?page=first')
  expect([response.status, await response.json()]).toEqual([
    422,
    { error: 'the query does not fit', issues: [{ path: ['page'], message: expect.any(String) }] },
  ])
})

test.each([
  ['{"user_id":', 'the body is no JSON: '],
  ['', 'the request has no body: send JSON'],
  [undefined, 'the request has no body: send JSON'],
])('%j is 400', async (body, error) => {
  const [status, type, text] = await post(body)
  expect([status, type]).toEqual([400, 'application/json'])
  expect(JSON.parse(String(text)).error).toContain(error)
})

test("a body over the limit of Hono's bodyLimit is 413, with or without its length", async () => {
  const app = new Hono()
  app.use(bodyLimit({ maxSize: 100 }))
  mount(app, '/things', Things, { messaging: freshMessaging() })
  const url = await serve(app)
  const body = JSON.stringify({ user_id: 1, items: [{ sku: 'x'.repeat(200) }] })
  const chunked = new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.from(body))
      controller.close()
    },
  })
  expect((await fetch(`${url}/things/order`, { method: 'POST', body })).status).toBe(413)
  expect((await fetch(`${url}/things/order`, { method: 'POST', body: chunked, duplex: 'half' })).status).toBe(413)
})

test('what is refused has a request id too', async () => {
  const response = await mounted().request('/things/order', { method: 'POST', body: '[]', headers: { 'X-Request-Id': 'r1' } })
  expect([response.status, response.headers.get('x-request-id')]).toEqual([422, 'r1'])
})
