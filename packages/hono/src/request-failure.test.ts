import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { describe, expect, test } from 'vitest'
import { allHeard, freshMessaging, hear } from './fixtures/broker.ts'
import { freshDatabase } from './fixtures/database.ts'
import { serve } from './fixtures/server.ts'
import { type RequestVariables, requestScope } from './request-scope.ts'

const TOPIC = 'user-events'

const emitting = (messaging: ReturnType<typeof freshMessaging>) => () => messaging.emit('user.created', { id: 1 }, { topic: TOPIC })

/** Requests that end in an error, each after it has recorded an event. */
function failing(messaging: ReturnType<typeof freshMessaging>): Hono {
  const emit = emitting(messaging)
  const app = new Hono()
  app.use(requestScope(messaging))
  app.get('/thrown', () => {
    emit()
    throw new Error('thrown')
  })
  app.get('/http-exception', () => {
    emit()
    throw new HTTPException(400, { message: 'no' })
  })
  app.get('/answered-400', (c) => {
    emit()
    return c.json({ error: 'no' }, 400)
  })
  app.get('/answered-503', (c) => {
    emit()
    return c.body(null, 503)
  })
  app.get('/not-found', (c) => {
    emit()
    return c.notFound()
  })
  app.get('/forgiven', () => {
    emit()
    throw new Error('forgiven')
  })
  app.get('/wrong', () => {
    emit()
    messaging.emit('cyclic', { big: 1n }, { topic: TOPIC })
    return new Response('ok')
  })
  app.onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse()
    return c.json({ error: error.message }, error.message === 'forgiven' ? 200 : 500)
  })
  return app
}

const FAILURES = [
  ['/thrown', 500],
  ['/http-exception', 400],
  ['/answered-400', 400],
  ['/answered-503', 503],
  ['/not-found', 404],
  ['/forgiven', 200],
  ['/wrong', 500],
] as const

describe.each(['over HTTP', 'through app.request()'])('a request that ends in an error publishes nothing, %s', (way) => {
  test.each(FAILURES)('%s, answered with %i', async (path, status) => {
    const messaging = freshMessaging()
    const heard = await hear(messaging, TOPIC)
    const app = failing(messaging)
    const response = way === 'over HTTP' ? await fetch(`${await serve(app)}${path}`) : await app.request(path)
    expect(response.status).toBe(status)
    await response.arrayBuffer()
    expect(await allHeard(messaging, heard, TOPIC)).toEqual([])
  })
})

describe.each(['over HTTP', 'through app.request()'])('with a session, %s', (way) => {
  async function withSession() {
    const { database, session, rows } = freshDatabase()
    const messaging = freshMessaging({ session })
    const heard = await hear(messaging, TOPIC)
    const app = new Hono<{ Variables: RequestVariables<typeof database> }>().use(requestScope(messaging))
    app.post('/commit', (c) => {
      c.get('db').exec('INSERT INTO parent DEFAULT VALUES')
      messaging.emit('user.created', { id: 1 }, { topic: TOPIC })
      return c.json({ inTransaction: database.isTransaction }, 201, { Location: '/users/1' })
    })
    app.post('/refused', (c) => {
      c.get('db').exec('INSERT INTO parent DEFAULT VALUES')
      messaging.emit('user.created', { id: 1 }, { topic: TOPIC })
      return c.json({ error: 'no' }, 409)
    })
    app.post('/thrown', (c) => {
      c.get('db').exec('INSERT INTO parent DEFAULT VALUES')
      messaging.emit('user.created', { id: 1 }, { topic: TOPIC })
      throw new Error('thrown')
    })
    app.post('/failed-commit', (c) => {
      c.get('db').exec('INSERT INTO parent DEFAULT VALUES; INSERT INTO child VALUES (77)')
      messaging.emit('user.created', { id: 1 }, { topic: TOPIC })
      c.header('Set-Cookie', 'session=1')
      return c.body('0123456789', 201, { Location: '/users/1', 'Content-Length': '10' })
    })
    app.onError((error, c) => c.json({ error: error.message }, 500))
    const url = way === 'over HTTP' ? await serve(app) : undefined
    const post = async (path: string): Promise<Response> =>
      url ? fetch(url + path, { method: 'POST' }) : app.request(path, { method: 'POST' })
    return { messaging, heard, rows, post, database }
  }

  test('it is committed before the response, and the event leaves', async () => {
    const { heard, rows, post, database } = await withSession()
    const response = await post('/commit')
    expect(database.isTransaction).toBe(false)
    expect([response.status, await response.json(), rows()]).toEqual([201, { inTransaction: true }, 1])
    await heard.atLeast(1)
    expect(heard.events).toMatchObject([{ name: 'user.created', data: { id: 1 } }])
  })

  test.each([
    ['/refused', 409, { error: 'no' }],
    ['/thrown', 500, { error: 'thrown' }],
    ['/failed-commit', 500, { error: 'FOREIGN KEY constraint failed' }],
  ])('%s rolls it back and publishes nothing', async (path, status, body) => {
    const { messaging, heard, rows, post } = await withSession()
    const response = await post(path)
    expect([response.status, await response.json(), rows()]).toEqual([status, body, 0])
    expect(await allHeard(messaging, heard, TOPIC)).toEqual([])
  })

  test('the answer to a failed commit carries no header of the success', async () => {
    const { post } = await withSession()
    const { headers } = await post('/failed-commit')
    expect([headers.get('location'), headers.get('set-cookie')]).toEqual([null, null])
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })
})

test('what a session has committed is published, even when a middleware outside fails afterwards', async () => {
  const { session, rows } = freshDatabase()
  const messaging = freshMessaging({ session })
  const heard = await hear(messaging, TOPIC)
  const app = new Hono()
    .use(async (_, next) => {
      await next()
      throw new Error('too late')
    })
    .use(requestScope(messaging))
    .get('/', (c) => {
      c.get('db').exec('INSERT INTO parent DEFAULT VALUES')
      messaging.emit('user.created', {}, { topic: TOPIC })
      return c.text('ok')
    })
  app.onError((_, c) => c.text('failed', 500))
  const response = await fetch(await serve(app))
  expect([response.status, rows()]).toEqual([500, 1])
  await heard.atLeast(1)
})
