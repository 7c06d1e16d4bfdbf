import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { becomes } from './demo/client.ts'
import { bootSystem, SERVICES, type ServiceName, type System } from './demo/system.ts'
import { embedded } from './fixtures/folder.ts'
import { type Shop, shop } from './fixtures/shop.ts'

const PAST_2_53 = '9007199254740993'
const USERS = '/api/v1/users'
const PRODUCTS = '/api/v1/products'
const ORDERS = '/api/v1/orders'
const ana = { name: 'Ana', email: 'ana@exemplo.com' }
const tea = { name: 'Tea', price: 4.5, stock: 3 }
const item = { product_id: 1, quantity: 1 }
const of = (...items: readonly object[]) => ({ user_id: 1, items })

type Row = readonly [what: string, request: string, body: unknown, status: number, code: string, issueAt?: string]

/** The requests that are refused, by whom it does not matter: a body is an object, or the text that is sent. */
const REFUSED: readonly Row[] = [
  // Bodies, as the middleware and the schemas of all services see them.
  ['no body', `POST ${USERS}`, undefined, 422, 'invalid'],
  ['an empty body', `POST ${USERS}`, '', 400, 'bad_request'],
  ['broken JSON', `POST ${USERS}`, '{"name": "Ana"', 400, 'bad_request'],
  ['JSON that is no object', `POST ${USERS}`, '[1, 2]', 422, 'invalid', ''],
  ['null', `POST ${ORDERS}`, 'null', 422, 'invalid', ''],
  ['a huge body', `POST ${USERS}`, { ...ana, name: 'x'.repeat(70_000) }, 413, 'too_large'],
  ['a field that is unknown', `POST ${USERS}`, { ...ana, admin: true }, 422, 'invalid', ''],
  ['an own __proto__', `POST ${USERS}`, '{"name":"Ana","email":"ana@exemplo.com","__proto__":{"admin":true}}', 422, 'invalid', ''],
  ['depth without end', `POST ${ORDERS}`, `{"user_id":1,"items":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 422, 'invalid', 'items.0'],
  // Users.
  ['a name of another type', `POST ${USERS}`, { ...ana, name: 7 }, 422, 'invalid', 'name'],
  ['a name of spaces', `POST ${USERS}`, { ...ana, name: '   ' }, 422, 'invalid', 'name'],
  ['a name that is too long', `POST ${USERS}`, { ...ana, name: 'x'.repeat(201) }, 422, 'invalid', 'name'],
  ['a NUL in a name', `POST ${USERS}`, { ...ana, name: 'A\u0000na' }, 422, 'invalid', 'name'],
  ['half a sign in a name', `POST ${USERS}`, '{"name":"\\ud83d","email":"ana@exemplo.com"}', 422, 'invalid', 'name'],
  ['an e-mail that is none', `POST ${USERS}`, { ...ana, email: "ana'; DROP TABLE users; --" }, 422, 'invalid', 'email'],
  ['no e-mail', `POST ${USERS}`, { name: 'Ana' }, 422, 'invalid', 'email'],
  ['an e-mail that is taken', `POST ${USERS}`, { ...ana, email: 'JOAO1@exemplo.com' }, 409, 'email_taken', 'email'],
  ['a change to an e-mail that is taken', `PATCH ${USERS}/2`, { email: 'joao1@exemplo.com' }, 409, 'email_taken', 'email'],
  ['a change of nothing', `PATCH ${USERS}/1`, {}, 422, 'invalid', ''],
  ['a change of the id', `PATCH ${USERS}/1`, { id: 7 }, 422, 'invalid', ''],
  ['a change of a user who is unknown', `PATCH ${USERS}/999`, { name: 'Ana' }, 404, 'not_found'],
  // Products.
  ['a negative price', `POST ${PRODUCTS}`, { ...tea, price: -0.01 }, 422, 'invalid', 'price'],
  ['a huge price', `POST ${PRODUCTS}`, { ...tea, price: 1e9 }, 422, 'invalid', 'price'],
  ['a price of three decimals', `POST ${PRODUCTS}`, { ...tea, price: 59.905 }, 422, 'invalid', 'price'],
  ['a price of a hair too much', `POST ${PRODUCTS}`, '{"name":"Tea","price":0.30000000000000004,"stock":1}', 422, 'invalid', 'price'],
  ['a price as text', `POST ${PRODUCTS}`, { ...tea, price: '4.50' }, 422, 'invalid', 'price'],
  ['a price without end', `POST ${PRODUCTS}`, '{"name":"Tea","price":1e999,"stock":1}', 422, 'invalid', 'price'],
  ['a negative stock', `POST ${PRODUCTS}`, { ...tea, stock: -1 }, 422, 'invalid', 'stock'],
  ['half a piece of stock', `POST ${PRODUCTS}`, { ...tea, stock: 1.5 }, 422, 'invalid', 'stock'],
  ['a huge stock', `POST ${PRODUCTS}`, { ...tea, stock: 1e10 }, 422, 'invalid', 'stock'],
  ['a negative stock in a change', `PATCH ${PRODUCTS}/1`, { stock: -1 }, 422, 'invalid', 'stock'],
  ['a change of a product that is unknown', `PATCH ${PRODUCTS}/999`, { price: 1 }, 404, 'not_found'],
  // Orders.
  ['an order of a user who is unknown', `POST ${ORDERS}`, { ...of(item), user_id: 999 }, 422, 'unknown_user', 'user_id'],
  ['an order of no user', `POST ${ORDERS}`, { items: [item] }, 422, 'invalid', 'user_id'],
  ['an order of user 0', `POST ${ORDERS}`, { ...of(item), user_id: 0 }, 422, 'invalid', 'user_id'],
  ['a user id past 2^53', `POST ${ORDERS}`, `{"user_id":${PAST_2_53},"items":[{"product_id":1,"quantity":1}]}`, 422, 'invalid', 'user_id'],
  ['no items', `POST ${ORDERS}`, of(), 422, 'invalid', 'items'],
  [
    'too many items',
    `POST ${ORDERS}`,
    of(...Array.from({ length: 101 }, (_, at) => ({ product_id: at + 1, quantity: 1 }))),
    422,
    'invalid',
    'items',
  ],
  ['the same product twice', `POST ${ORDERS}`, of(item, item), 422, 'invalid', 'items.1.product_id'],
  ['a quantity of 0', `POST ${ORDERS}`, of({ ...item, quantity: 0 }), 422, 'invalid', 'items.0.quantity'],
  ['a negative quantity', `POST ${ORDERS}`, of({ ...item, quantity: -1 }), 422, 'invalid', 'items.0.quantity'],
  ['a huge quantity', `POST ${ORDERS}`, of({ ...item, quantity: 10_001 }), 422, 'invalid', 'items.0.quantity'],
  ["a price of one's own", `POST ${ORDERS}`, of({ ...item, price: 0.01 }), 422, 'invalid', 'items.0'],
  ['a payment of an order that is unknown', `POST ${ORDERS}/999/pay`, undefined, 404, 'not_found'],
  ['a cancellation of an order that is unknown', `POST ${ORDERS}/999/cancel`, undefined, 404, 'not_found'],
  // Ids in paths, and queries.
  ...[USERS, PRODUCTS, ORDERS, '/q/users', '/q/products', '/q/orders'].flatMap((path): readonly Row[] => [
    ['an id that is unknown', `GET ${path}/999`, undefined, 404, 'not_found'],
    ['id 0', `GET ${path}/0`, undefined, 404, 'not_found'],
    ['a negative id', `GET ${path}/-1`, undefined, 404, 'not_found'],
    ['an id with decimals', `GET ${path}/1.5`, undefined, 404, 'not_found'],
    ['an id that is a word', `GET ${path}/one`, undefined, 404, 'not_found'],
    ['SQL as an id', `GET ${path}/1%20OR%201=1`, undefined, 404, 'not_found'],
    ['an id past 2^53', `GET ${path}/${PAST_2_53}`, undefined, 404, 'not_found'],
    ['an id past 2^63', `GET ${path}/9223372036854775808`, undefined, 404, 'not_found'],
    ['an id of a thousand digits', `GET ${path}/${'9'.repeat(1_000)}`, undefined, 404, 'not_found'],
    ['a page of 0', `GET ${path}?limit=0`, undefined, 422, 'invalid', 'limit'],
    ['a page of 101', `GET ${path}?limit=101`, undefined, 422, 'invalid', 'limit'],
    ['a page of a word', `GET ${path}?limit=all`, undefined, 422, 'invalid', 'limit'],
    ['two sizes of one page', `GET ${path}?limit=1&limit=2`, undefined, 422, 'invalid', 'limit'],
    ['a page behind SQL', `GET ${path}?after=1;DROP%20TABLE%20users`, undefined, 422, 'invalid', 'after'],
    ['a filter that is unknown', `GET ${path}?password=x`, undefined, 422, 'invalid', ''],
    ['a method that nobody has', `DELETE ${path}/1`, undefined, 404, 'no_route'],
  ]),
  ['a status that is none', `GET ${ORDERS}?status=paid`, undefined, 422, 'invalid', 'status'],
  ['orders of user 0', `GET ${ORDERS}?user_id=0`, undefined, 422, 'invalid', 'user_id'],
  ['a status that is none, in the read model', 'GET /q/orders?status=DELIVERED', undefined, 422, 'invalid', 'status'],
  ['orders of no number, in the read model', 'GET /q/orders?user_id=me', undefined, 422, 'invalid', 'user_id'],
  ['an order that is sent to the read model', 'POST /q/orders', of(item), 404, 'no_route'],
]

describe('what does not fit', () => {
  let system: System
  let remove: () => Promise<void>
  let on: Shop

  beforeAll(async () => {
    const place = await embedded()
    remove = place.remove
    // Nobody reserves stock: orders stay PENDING.
    system = await bootSystem({ env: place.env, processes: [...SERVICES, 'order-service consumer'] })
    on = shop(system)
    await on.user()
    await on.user()
    await on.product(3)
    await on.order(1, [1, 1])
  }, 60_000)
  afterAll(async () => {
    await system?.stop()
    await remove?.()
  })

  const everything = async (): Promise<unknown> =>
    Promise.all([USERS, PRODUCTS, ORDERS].map(async (path) => (await on.ask('GET', `${path}?limit=100`)).body))

  for (const [what, request, body, status, code, issueAt] of REFUSED)
    it(`${what}: ${request.slice(0, 80)}`, async () => {
      const before = await everything()
      const [method = '', path = ''] = request.split(' ')
      const answer = await on.ask(method, path, body)
      expect(answer).toMatchObject({ status, body: { error: { code, message: expect.any(String), issues: expect.any(Array) } } })
      if (issueAt !== undefined)
        expect(answer.body.error.issues.map((issue: { path: unknown[] }) => issue.path.join('.'))).toContain(issueAt)
      expect(await everything()).toEqual(before)
    })

  it('a body that does not say it is JSON is refused before it is read', async () => {
    for (const [type, status] of [
      ['text/plain', 415],
      ['application/x-www-form-urlencoded', 415],
      ['application/json; charset=utf-8', 409],
    ] as const) {
      const answer = await fetch(`${system.url('user-service')}${USERS}`, {
        method: 'POST',
        headers: { 'content-type': type },
        body: JSON.stringify({ ...ana, email: 'joao1@exemplo.com' }),
      })
      expect(answer.status, type).toBe(status)
    }
  })

  it('SQL in a text is a text', async () => {
    const name = "Robert'); DROP TABLE users; --"
    const { body } = await on.ask('POST', USERS, { name, email: 'robert@exemplo.com' })
    expect((await on.ask('GET', `${USERS}/${body.id}`)).body).toMatchObject({ name })
  })

  it('an order that is not reserved within 2 s is not paid, and may be canceled', async () => {
    const id = await on.order(1, [1, 1])
    const begunAt = performance.now()
    const { status, headers, body } = await on.ask('POST', `${ORDERS}/${id}/pay`)
    expect({ status, retryAfter: headers.get('retry-after'), code: body.error.code }).toEqual({
      status: 409,
      retryAfter: '1',
      code: 'not_reserved',
    })
    expect(performance.now() - begunAt).toBeGreaterThan(1_900)
    expect(await on.ask('POST', `${ORDERS}/${id}/cancel`)).toMatchObject({ status: 204 })
    expect(await on.ask('POST', `${ORDERS}/${id}/cancel`)).toMatchObject({ status: 409, body: { error: { code: 'already_canceled' } } })
    expect(await on.ask('POST', `${ORDERS}/${id}/pay`)).toMatchObject({ status: 409, body: { error: { code: 'already_canceled' } } })
    await becomes(on.ask, `${ORDERS}/${id}`, { status: 'CANCELED', reason: 'user', total: null })
  })

  it('lists go on behind the last id, page by page, and filter orders', async () => {
    const ids: number[] = []
    for (let next: number | null = 0; next !== null; ) {
      const { body } = await on.ask('GET', `${USERS}?limit=2${next ? `&after=${next}` : ''}`)
      expect(body.items.length).toBeLessThanOrEqual(2)
      ids.push(...body.items.map(({ id }: { id: number }) => id))
      next = body.next
    }
    expect(ids).toEqual((await on.ask('GET', `${USERS}?limit=100`)).body.items.map(({ id }: { id: number }) => id))
    const ofUser1 = await on.ask('GET', `${ORDERS}?user_id=1&status=PENDING`)
    expect(ofUser1.body.items.map(({ id }: { id: number }) => id)).toEqual([1])
    expect((await on.ask('GET', `${ORDERS}?user_id=2`)).body).toEqual({ items: [], next: null })
  })

  it('every answer has the id of its request, and a line in the log', async () => {
    const answer = await fetch(`${system.url('user-service')}${USERS}/1`, { headers: { 'x-request-id': 'mine' } })
    expect(answer.headers.get('x-request-id')).toBe('mine')
    const said = () => system.lines.filter(({ text }) => text.includes('"requestId":"mine"')).map(({ text }) => JSON.parse(text))
    await expect.poll(said).toMatchObject([{ service: 'user-service', method: 'GET', path: `${USERS}/1`, status: 200 }])
  })

  it('/openapi.json describes every route, and the probes answer', async () => {
    const paths = {
      'user-service': [USERS, `${USERS}/{id}`],
      'product-service': [PRODUCTS, `${PRODUCTS}/{id}`],
      'order-service': [ORDERS, `${ORDERS}/{id}`, `${ORDERS}/{id}/pay`, `${ORDERS}/{id}/cancel`],
      'query-service': ['orders', 'products', 'users'].flatMap((what) => [`/q/${what}`, `/q/${what}/{id}`]),
    } as const satisfies Record<ServiceName, readonly string[]>
    for (const [service, described] of Object.entries(paths)) {
      const url = system.url(service as keyof typeof paths)
      const document = (await (await fetch(`${url}/openapi.json`)).json()) as { openapi: string; paths: object }
      expect(Object.keys(document.paths).toSorted(), service).toEqual([...described].toSorted())
      expect(document.openapi).toBe('3.1.0')
      for (const probe of ['livez', 'readyz']) {
        const answer = await fetch(`${url}/${probe}`)
        expect([answer.status, await answer.json()], `${service} ${probe}`).toMatchObject([200, { reasons: [] }])
      }
    }
  })
})
