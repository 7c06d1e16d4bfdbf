import { emit } from '@corebus/core'
import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { allHeard } from './fixtures/broker.ts'
import { caller, freshShop, NewOrder, OrderCreated, orders, TOPIC } from './fixtures/orders.ts'
import { modelRoutes } from './model-routes.ts'
import { requestScope } from './request-scope.ts'

async function shop() {
  const { messaging, ...more } = await freshShop()
  const routes = modelRoutes({
    repository: orders,
    schema: NewOrder,
    filters: ['code', 'paid', 'total'],
    sorts: ['total', 'note'],
    messaging,
    async performCreate(data, { db }) {
      const order = await orders.insert(db, data)
      emit(OrderCreated, order)
      if (data.code === 'throw') throw new Error('after the insert')
      return order
    },
  })
  const app = new Hono().route('/api/orders', routes)
  app.onError((error, c) => c.json({ thrown: error.message }, 500))
  return { messaging, ...more, app, call: caller(app, '/api/orders') }
}

describe('routes without a class', () => {
  test('do what those of a ModelViewSet do, with hooks that are functions', async () => {
    const { call, heard } = await shop()
    const { status, body, headers } = await call('POST', '', { code: 'A1', total: 2 })
    expect([status, body, headers.get('location')]).toEqual([
      201,
      { id: 1, code: 'A1', total: 2, note: 'none given', paid: false },
      '/api/orders/1',
    ])
    await heard.atLeast(1)
    expect(heard.events).toMatchObject([{ name: 'order.created', data: { id: 1, code: 'A1', total: 2 } }])
    expect((await call('GET', '')).body).toMatchObject({ items: [{ code: 'A1' }], next: null })
    expect((await call('PATCH', '/1', { total: 3 })).body).toMatchObject({ total: 3 })
    expect((await call('DELETE', '/1')).status).toBe(204)
  })

  test('roll back and publish nothing when a hook throws', async () => {
    const { call, heard, messaging, count } = await shop()
    expect((await call('POST', '', { code: 'throw', total: 2 })).status).toBe(500)
    expect([await allHeard(messaging, heard, TOPIC), count()]).toEqual([[], 0])
  })

  test('stand in the session of a requestScope around them', async () => {
    const { messaging, count } = await freshShop()
    const app = new Hono().use(requestScope(messaging)).route('/orders', modelRoutes({ repository: orders, schema: NewOrder, messaging }))
    const call = caller(app as never, '/orders')
    expect((await call('POST', '', { code: 'A1', total: 2 })).status).toBe(201)
    expect((await call('POST', '', { code: 'A1', total: 2 })).status).toBe(409)
    expect(count()).toBe(1)
  })

  test('are those that only names; without a schema nothing can be written', async () => {
    const { messaging } = await freshShop()
    const call = caller(new Hono().route('/', modelRoutes({ repository: orders, only: ['list', 'destroy'], messaging })), '')
    expect((await call('GET', '/')).status).toBe(200)
    expect((await call('GET', '/1')).status).toBe(404)
    expect((await call('DELETE', '/1')).body).toEqual({ error: 'there is nothing here with the id "1"' })
    expect((await call('GET', '/?sort=code')).status).toBe(422)
  })

  test.each([
    [{}, 'MODEL', /has no repository/],
    [{ repository: {} }, 'OPTION', /repository must/],
    [{ repository: orders, filter: ['code'] }, 'OPTION', /filter/],
    [{ repository: orders }, 'MODEL', /^modelRoutes offers create and has no schema/],
    [
      { repository: orders, schema: NewOrder.refine(() => true), only: ['partialUpdate'] },
      'MODEL',
      /^modelRoutes offers partialUpdate, and its schema .* refinements/,
    ],
    [{ repository: orders, only: ['list', 'drop'] }, 'ACTIONS', /only names drop/],
    [{ repository: orders, only: ['list'], filters: ['card'] }, 'MODEL', /filters or sorts by card/],
    [{ repository: orders, only: ['list'], sorts: ['constructor'] }, 'MODEL', /filters or sorts by constructor/],
    [
      { repository: { ...orders, columns: { ...orders.columns, sort: orders.columns.code } }, only: ['list'], filters: ['sort'] },
      'MODEL',
      /means something else/,
    ],
    [{ repository: orders, only: ['list'], pageSize: 200 }, 'MODEL', /pageSize 200 and maxPageSize 100/],
  ])('what cannot work is refused when it is mounted, %#', async (options, code, message) => {
    const { messaging } = await freshShop()
    expect(() => modelRoutes({ ...options, messaging } as never)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    )
  })
})

const cursor = (...list: unknown[]): string => Buffer.from(JSON.stringify(list)).toString('base64url')
const SQL = `1; DROP TABLE orders; --`
const encoded = encodeURIComponent

type Sent = readonly [method: string, path: string, status: number, body?: unknown, headers?: Record<string, string>]
/** The requests that strangers send, and what each is answered. Nothing of it may be a 500. */
const HOSTILE: readonly Sent[] = [
  // Ids
  ['GET', '/0', 404],
  ['GET', '/-1', 404],
  ['GET', '/1.0', 404],
  ['GET', '/1e0', 404],
  ['GET', '/01', 404],
  ['GET', '/%31', 200],
  ['GET', '/9007199254740993', 404],
  ['GET', '/99999999999999999999999999', 404],
  ['GET', `/${encoded(SQL)}`, 404],
  ['GET', "/1'", 404],
  ['GET', '/%00', 404],
  ['GET', '/%ff', 404],
  ['GET', '/%', 404],
  ['GET', '/null', 404],
  ['GET', '/undefined', 404],
  ['GET', '/__proto__', 404],
  ['GET', '/constructor', 404],
  ['PATCH', `/${encoded(SQL)}`, 404, { total: 1 }],
  ['PUT', '/9007199254740993', 404, { code: 'X', total: 1 }],
  ['DELETE', `/${encoded(SQL)}`, 404],
  ['DELETE', '/*', 404],
  // Pages
  ['GET', '?limit=0', 422],
  ['GET', '?limit=-1', 422],
  ['GET', '?limit=1e9', 422],
  ['GET', '?limit=1000000000', 422],
  ['GET', '?limit=101', 422],
  ['GET', '?limit=100', 200],
  ['GET', '?limit=1.5', 422],
  ['GET', '?limit=', 422],
  ['GET', '?limit=5&limit=6', 422],
  ['GET', '?limit=NaN', 422],
  ['GET', `?limit=${encoded('5; DROP TABLE orders')}`, 422],
  ['GET', '?sort=card', 422],
  ['GET', '?sort=code', 422],
  ['GET', '?sort=', 422],
  ['GET', '?sort=total,total', 422],
  ['GET', '?sort=--total', 422],
  ['GET', '?sort=constructor', 422],
  ['GET', '?sort=__proto__', 422],
  ['GET', `?sort=${encoded('total; DROP TABLE orders')}`, 422],
  ['GET', `?sort=${encoded('(SELECT card FROM orders)')}`, 422],
  ['GET', '?sort=total&sort=id', 422],
  ['GET', '?cursor=', 422],
  ['GET', '?cursor=xyz', 422],
  ['GET', `?cursor=${cursor('id', '1')}`, 200],
  ['GET', `?cursor=${cursor('id', 1)}`, 422],
  ['GET', `?cursor=${cursor('id', null)}`, 200],
  ['GET', `?cursor=${cursor('id', SQL)}`, 422],
  ['GET', `?cursor=${cursor('id', '9007199254740993')}`, 422],
  ['GET', `?cursor=${cursor('id')}`, 422],
  ['GET', `?cursor=${cursor('id', '1', '2')}`, 422],
  ['GET', `?cursor=${cursor('total,id', '1', '2')}`, 422],
  ['GET', `?sort=total&cursor=${cursor('total,id', '1', '2')}`, 200],
  ['GET', `?sort=total&cursor=${cursor('total,id', 'Infinity', '2')}`, 422],
  ['GET', `?sort=constructor&cursor=${cursor('constructor,id', 'x', '1')}`, 422],
  ['GET', `?sort=note&cursor=${cursor('note,id', SQL, '1')}`, 200],
  ['GET', `?cursor=${Buffer.from('{"__proto__":[]}').toString('base64url')}`, 422],
  // Filters
  ['GET', '?colour=red', 422],
  ['GET', '?card=4111', 422],
  ['GET', '?__proto__=1', 422],
  ['GET', '?constructor=1', 422],
  ['GET', '?paid=maybe', 422],
  ['GET', '?paid=1', 422],
  ['GET', '?total=much', 422],
  ['GET', '?total=1e400', 422],
  ['GET', `?code=${encoded(SQL)}`, 200],
  ['GET', `?${encoded('code"=code OR "1')}=1`, 422],
  ['GET', `?${'total=1&'.repeat(100)}`, 200],
  ['GET', `?${'total=1&'.repeat(2_000)}`, 422],
  ['GET', `?${'cursor=x&'.repeat(2_000)}`, 422],
  ['GET', `?sort=${'total,'.repeat(2_000)}id`, 422],
  ['GET', '?code=%00', 422],
  ['GET', '?code=%ff', 200],
  // Bodies
  ['POST', '', 400],
  ['POST', '', 400, ''],
  ['POST', '', 400, '{"code":'],
  ['POST', '', 400, 'null}'],
  ['POST', '', 422, 'null'],
  ['POST', '', 422, '[]'],
  ['POST', '', 422, [{ code: 'X', total: 1 }]],
  ['POST', '', 422, '"text"'],
  ['POST', '', 422, '1'],
  ['POST', '', 422, {}],
  ['POST', '', 422, { code: 1, total: 1 }],
  ['POST', '', 422, { code: 'X', total: '1' }],
  ['POST', '', 422, { code: 'X', total: null }],
  ['POST', '', 422, { code: 'X', total: -1 }],
  ['POST', '', 422, '{"code":"X","total":1e999}'],
  ['POST', '', 422, { code: 'X'.repeat(41), total: 1 }],
  ['POST', '', 422, { code: { $ne: null }, total: 1 }],
  ['POST', '', 422, '{"__proto__":{"code":"X","total":1}}'],
  ['POST', '', 201, '{"code":"X","total":1,"__proto__":{"paid":true}}'],
  ['POST', '', 201, { code: 'X', total: 1, id: 1, paid: true, colour: 'red' }],
  ['POST', '', 201, { code: SQL, total: 1, note: `'; DELETE FROM orders; --` }],
  ['POST', '', 201, { code: '\u0000\ud800', total: 1 }],
  ['POST', '', 413, { code: 'X', total: 1, note: 'x'.repeat(1024 * 1024) }],
  ['POST', '', 400, `${'['.repeat(200_000)}`],
  ['POST', '', 422, `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
  ['POST', '', 400, `{"__proto__":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
  ['POST', '', 415, '{"code":"X","total":1}', { 'content-type': 'text/plain' }],
  ['POST', '', 415, 'code=X&total=1', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['PUT', '/1', 422, { total: 1 }],
  ['PUT', '/1', 415, '{}', { 'content-type': 'text/xml' }],
  ['PATCH', '/1', 200, {}],
  ['PATCH', '/1', 200, { id: 77, paid: true, constructor: 1 }],
  ['PATCH', '/1', 422, []],
  ['PATCH', '/1', 422, { total: 'much' }],
  ['PATCH', '/1', 400, '{]'],
  ['DELETE', '/1', 204, '{"where":"1=1"}'],
  ['GET', '/1', 200, undefined, { 'x-http-method-override': 'DELETE' }],
]

describe('what strangers send', () => {
  const titled = HOSTILE.map((sent): readonly [title: string, sent: Sent] => {
    const [method, path, status, body = '', headers = {}] = sent
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return [`${method} ${path} ${text.slice(0, 60)} ${Object.values(headers)} is ${status}`, sent]
  })
  test.each(titled)('%s', async (_, [method, path, status, body, headers]) => {
    const { call, database } = await shop()
    database.exec(`INSERT INTO orders (code, total, note, card) VALUES ('A1', 1, 'n', '4111')`)
    const answer = await call(method, path, body, headers)
    expect([answer.status, answer.body]).toEqual([status, expect.anything()])
    if (status >= 400) expect(answer.body.error ?? answer.body).toEqual(expect.any(String))
    expect(JSON.stringify(answer.body)).not.toContain('4111')
    // Nothing that was not asked for has happened to what was there.
    const { code, paid, card } = (database.prepare('SELECT * FROM orders WHERE id = 1').get() ?? {}) as Record<string, unknown>
    if (method !== 'DELETE' || status >= 400) expect([code, paid, card]).toEqual(['A1', 0, '4111'])
    expect(Object.prototype).not.toHaveProperty('paid')
  })

  test('what is refused says where it is wrong, and of what there is', async () => {
    const { call } = await shop()
    const issues = async (query: string) => (await call('GET', query)).body.issues
    expect(await issues('?limit=0&sort=card&colour=red&cursor=x')).toEqual([
      { path: ['sort'], message: 'it must be of id, total, note, each with a - before it to begin with the largest' },
      { path: ['cursor'], message: 'it must be the `next` of a page in the same order' },
      { path: ['colour'], message: 'there is no such filter, but code, paid, total' },
      { path: ['limit'], message: 'it must be a whole number from 1 to 100' },
    ])
  })
})

test('a schema of another library needs its own changes', async () => {
  const { messaging } = await freshShop()
  const standard = { '~standard': z.object({ code: z.string(), total: z.number() })['~standard'] }
  expect(() => modelRoutes({ repository: orders, schema: standard, messaging })).toThrow(
    /offers partialUpdate, and its schema has no partial\(\)/,
  )
  const changes = { '~standard': z.object({ total: z.number().optional() })['~standard'] }
  const call = caller(new Hono().route('/', modelRoutes({ repository: orders, schema: standard, changes, messaging })), '')
  expect((await call('POST', '/', { code: 'A1', total: 1 })).status).toBe(201)
  expect((await call('PATCH', '/1', { total: 2 })).body).toMatchObject({ total: 2 })
})
