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

const JSON_TYPE = { 'content-type': 'application/json' }

async function post(body?: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = JSON_TYPE) {
  const response = await mounted().request('/things/order', { method: 'POST', headers, ...(body !== undefined && { body }) })
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

test('a body is no JSON that is no UTF-8, and what is wrong is said without its text', async () => {
  const [status, , text] = await post(new Uint8Array([0x22, 0xff, 0x22]))
  expect([status, JSON.parse(String(text))]).toEqual([400, { error: 'the body is no JSON: the body is not UTF-8' }])
  const [, , secret] = await post('{"password":"hunter2"')
  expect(secret).not.toContain('hunter2')
})

test.each([
  'text/plain;charset=UTF-8',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/jsonp',
  'json',
  'application/json-seq',
])('the content-type %j is 415', async (type) => {
  const [status, , text] = await post('{"user_id":1,"items":[{"sku":"a"}]}', { 'content-type': type })
  expect([status, JSON.parse(String(text)).error]).toEqual([
    415,
    `"${type}" is no content-type that is known here: send JSON as application/json`,
  ])
})

test('no content-type is 415 too: a page of another site could send that', async () => {
  const body = new Blob(['{"user_id":1,"items":[{"sku":"a"}]}'])
  const response = await mounted().request('/things/order', { method: 'POST', body })
  expect([response.status, await response.json()]).toEqual([415, { error: 'the body has no content-type: send JSON as application/json' }])
})

test.each(['application/json', 'application/json; charset=utf-8', 'application/vnd.shop.order+json', 'Application/JSON'])(
  'the content-type %j is JSON',
  async (type) => {
    expect((await post('{"user_id":1,"items":[{"sku":"a"}]}', { 'content-type': type }))[0]).toBe(201)
  },
)

test('an own __proto__ in a body is removed, at any depth and however it is written', async () => {
  const seen: unknown[] = []
  class Any extends ViewSet {
    @action({ method: 'POST', body: z.any() })
    take(_: Context, { body }: ActionContext<unknown, unknown>) {
      seen.push(body)
      return {}
    }
  }
  const app = new Hono()
  mount(app, '/', Any, { messaging: freshMessaging() })
  const body = '{"a":1,"__proto__":{"admin":true},"list":[{"\\u005f_proto__":{"admin":true},"b":2}]}'
  expect((await app.request('/take', { method: 'POST', headers: JSON_TYPE, body })).status).toBe(201)
  expect(seen).toEqual([{ a: 1, list: [{ b: 2 }] }])
  expect(Object.hasOwn(seen[0] as object, '__proto__')).toBe(false)
})

const chunked = (text: string): ReadableStream =>
  new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.from(text))
      controller.close()
    },
  })

/** Returns the statuses of an app with the limits that are given, for a body of so many bytes, with and without its length. */
async function statuses(bytes: number, limits: { around?: number; maxBodyBytes?: number }): Promise<readonly number[]> {
  const app = new Hono()
  if (limits.around !== undefined) app.use(bodyLimit({ maxSize: limits.around }))
  const { maxBodyBytes } = limits
  mount(app, '/things', Things, { messaging: freshMessaging(), ...(maxBodyBytes !== undefined && { maxBodyBytes }) })
  const url = await serve(app)
  const frame = JSON.stringify({ user_id: 1, items: [{ sku: '' }] })
  const body = JSON.stringify({ user_id: 1, items: [{ sku: 'x'.repeat(bytes - frame.length) }] })
  const send = async (init: RequestInit): Promise<number> => {
    const response = await fetch(`${url}/things/order`, { method: 'POST', headers: JSON_TYPE, ...init })
    await response.arrayBuffer()
    return response.status
  }
  return [await send({ body }), await send({ body: chunked(body), duplex: 'half' } as RequestInit)]
}

test.each([
  [1024 * 1024, {}, 201],
  [1024 * 1024 + 1, {}, 413],
  [200, { maxBodyBytes: 100 }, 413],
  [2 * 1024 * 1024, { maxBodyBytes: 2 * 1024 * 1024 }, 201],
  [200, { around: 100 }, 413],
])('a body of %i bytes, with the limits %j, is %i', async (bytes, limits, status) => {
  expect(await statuses(bytes, limits)).toEqual([status, status])
})

test('the limit holds for actions that read their body themselves', async () => {
  class Raw extends ViewSet {
    @action({ method: 'POST' })
    async take(c: Context) {
      return { length: (await c.req.text()).length }
    }
  }
  const app = new Hono()
  mount(app, '/', Raw, { messaging: freshMessaging(), maxBodyBytes: 10 })
  const send = (body: string) => app.request('/take', { method: 'POST', body })
  expect([(await send('x'.repeat(10))).status, (await send('x'.repeat(11))).status]).toEqual([201, 413])
})

test('what is refused has a request id too', async () => {
  const response = await mounted().request('/things/order', { method: 'POST', body: '[]', headers: { ...JSON_TYPE, 'X-Request-Id': 'r1' } })
  expect([response.status, response.headers.get('x-request-id')]).toEqual([422, 'r1'])
})
