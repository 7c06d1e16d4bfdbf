import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { caller, freshShop, NewOrder, orders } from './fixtures/orders.ts'
import { jsonBody } from './json-body.ts'
import { requestScope } from './request-scope.ts'

async function shop() {
  const { messaging, count } = await freshShop()
  let opened = 0
  const app = new Hono()
  app.post(
    '/orders',
    jsonBody(NewOrder, { maxBodyBytes: 1_000 }),
    async (_, next) => {
      opened++
      await next()
    },
    requestScope(messaging),
    async (c) => c.json(await orders.insert(c.var.db, c.req.valid('json')), 201),
  )
  return { call: caller(app, '/orders'), count, opened: () => opened }
}

test('a plain route has its body checked, without an own __proto__', async () => {
  const { call, count } = await shop()
  const { status, body } = await call('POST', '', '{"code":"A1","total":1,"__proto__":{"paid":true}}')
  expect([status, body, count()]).toEqual([201, { id: 1, code: 'A1', total: 1, note: 'none given', paid: false }, 1])
})

test.each([
  [undefined, {}, 400],
  ['{"code":', {}, 400],
  [{ code: 'A1' }, {}, 422],
  [{ code: 'A1', total: 1, note: 'x'.repeat(1_000) }, {}, 413],
  [{ code: 'A1', total: 1 }, { 'content-type': 'text/plain' }, 415],
])('what does not fit is refused before anything behind it runs, %#', async (body, headers, status) => {
  const { call, opened } = await shop()
  const answer = await call('POST', '', body, headers)
  expect([answer.status, typeof answer.body.error, opened()]).toEqual([status, 'string', 0])
})

test('an option that is none is refused', () => {
  expect(() => jsonBody(NewOrder, { limit: 1 } as never)).toThrow(expect.objectContaining({ code: 'OPTION' }))
})
