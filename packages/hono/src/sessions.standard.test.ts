import type { Sessions } from '@corebus/core'
import { type Context, Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { type ActionContext, action } from './action.ts'
import { freshMessaging, hear } from './fixtures/broker.ts'
import { mount } from './mount.ts'
import { requestScope } from './request-scope.ts'
import { ViewSet } from './view-set.ts'

const TOPIC = 'user-events'

function sessions(log: string[]): Sessions<string> {
  const logged =
    (db: string) =>
    async <T>(work: (db: string) => Promise<T>): Promise<T> => {
      try {
        const result = await work(db)
        log.push(`${db}: commit`)
        return result
      } catch (error) {
        log.push(`${db}: rollback`)
        throw error
      }
    }
  return { write: logged('writes'), read: logged('reads') }
}

class Users extends ViewSet {
  @action({ path: '' })
  list(_: Context, { db }: ActionContext<string>) {
    return { db }
  }

  @action({ path: 'refresh', session: true })
  refresh(_: Context, { db }: ActionContext<string>) {
    return { db }
  }

  @action({ method: 'POST', path: '' })
  create(_: Context, { db }: ActionContext<string>) {
    return { db }
  }

  @action({ method: 'POST', session: 'manual' })
  async pay(c: Context, { session }: ActionContext<string>) {
    const emit = (name: string) => c.get('messaging').emit(name, {}, { topic: TOPIC })
    emit('asked')
    const db = await session(async (tx) => {
      emit('paid')
      return tx
    })
    return c.json({ db }, c.req.query('then') === 'fail' ? 502 : 201)
  }

  @action({ method: 'POST', session: 'manual' })
  twice(_: Context, { session }: ActionContext<string>) {
    return session(async () => undefined).then(() => session(async () => undefined))
  }

  @action({ method: 'POST', session: false })
  none(_: Context, { db }: ActionContext<string>) {
    return { db }
  }
}

function app(log: string[] = []) {
  const messaging = freshMessaging({ session: sessions(log) })
  const failures: unknown[] = []
  const app = new Hono<{ Variables: { messaging: typeof messaging } }>()
  app.use(async (c, next) => {
    c.set('messaging', messaging)
    await next()
  })
  app.onError((error, c) => {
    failures.push(error)
    return c.text(error.message, 500)
  })
  return { app, messaging, failures, log }
}

describe('an action', () => {
  test.each([
    ['GET', '/users', 'reads', 200],
    ['HEAD', '/users', undefined, 200],
    ['GET', '/users/refresh', 'writes', 200],
    ['POST', '/users', 'writes', 201],
  ])('%s %s has the db that fits', async (method, path, db, status) => {
    const { app: hono, messaging, log } = app()
    mount(hono, '/users', Users, { messaging })
    const response = await hono.request(path, { method })
    expect(response.status).toBe(status)
    if (db !== undefined) expect(await response.json()).toEqual({ db })
    expect(log).toEqual([`${db ?? 'reads'}: commit`])
  })

  test('with a session of its own keeps what that has committed, also when it answers with an error', async () => {
    const { app: hono, messaging, log } = app()
    const heard = await hear(messaging, TOPIC)
    mount(hono, '/users', Users, { messaging })
    expect(await (await hono.request('/users/pay', { method: 'POST' })).json()).toEqual({ db: 'writes' })
    await heard.atLeast(2)
    expect((await hono.request('/users/pay?then=fail', { method: 'POST' })).status).toBe(502)
    await heard.atLeast(3)
    expect(heard.events.map(({ name }) => name).sort()).toEqual(['asked', 'paid', 'paid'])
    expect(log).toEqual(['writes: commit', 'writes: commit'])
  })

  test('that opens two is told so, and one that reads db without one', async () => {
    const { app: hono, messaging, failures } = app()
    mount(hono, '/users', Users, { messaging })
    await hono.request('/users/twice', { method: 'POST' })
    await hono.request('/users/none', { method: 'POST' })
    expect(failures).toMatchObject([{ code: 'SESSION_TWICE' }, { code: 'NO_SESSION' }])
  })

  test('whose session cannot be had is an error of mount', () => {
    expect(() => mount(new Hono(), '/users', Users, { messaging: freshMessaging() })).toThrow(
      /^@action Users\.(pay|twice) says session: "manual", and no session is configured/,
    )
  })

  test('in a requestScope that has decided otherwise is told so', async () => {
    const { app: hono, messaging, failures } = app()
    hono.use(requestScope(messaging))
    mount(hono, '/users', Users, { messaging })
    expect((await hono.request('/users/pay', { method: 'POST' })).status).toBe(500)
    expect(failures).toMatchObject([
      {
        code: 'SESSION_MODE',
        message: expect.stringMatching(/^@action Users\.pay says session: "manual", and a requestScope around it/),
      },
    ])
  })
})

describe('requestScope', () => {
  test('in another one that has decided otherwise is told so; one that fits is fine', async () => {
    const { app: hono, messaging, failures } = app()
    hono.use(requestScope(messaging))
    hono.get('/read', requestScope(messaging, { session: 'read' }), (c) => c.text(c.get('db' as never) as string))
    hono.post('/none', requestScope(messaging, { session: false }), (c) => c.text('none'))
    expect(await (await hono.request('/read')).text()).toBe('reads')
    await hono.request('/none', { method: 'POST' })
    expect(failures).toMatchObject([
      { code: 'SESSION_MODE', message: expect.stringMatching(/^requestScope says session: false, and a requestScope around it/) },
    ])
  })

  test('with one plain session a GET that says session: true stands in it, also inside of another scope', async () => {
    const messaging = freshMessaging({ session: sessions([]).write })
    const hono = new Hono().use(requestScope(messaging))
    mount(hono, '/users', Users, { messaging })
    expect(await (await hono.request('/users/refresh')).json()).toEqual({ db: 'writes' })
  })

  test('reads for GET, and writes for all others', async () => {
    const { app: hono, messaging } = app()
    const seen = hono.use(requestScope(messaging)).on(['GET', 'PUT'], '/', (c) => c.text(c.get('db' as never) as string))
    expect(await (await seen.request('/')).text()).toBe('reads')
    expect(await (await seen.request('/', { method: 'PUT' })).text()).toBe('writes')
  })

  test("with session: 'manual' gives the routes a session for a part", async () => {
    const { messaging, log } = app()
    const hono = new Hono().use(requestScope(messaging, { session: 'manual' })).post('/', async (c) => {
      log.push('slow call')
      const db = await c.var.inSession(async (tx) => `${tx}!`)
      return c.text(db)
    })
    expect(await (await hono.request('/', { method: 'POST' })).text()).toBe('writes!')
    expect(log).toEqual(['slow call', 'writes: commit'])
  })

  test('without a session db says so, whatever is asked of it; a db of another middleware stays', async () => {
    const messaging = freshMessaging()
    const failures: unknown[] = []
    const hono = new Hono<{ Variables: { db: { find(): string } } }>()
      .use('/theirs', async (c, next) => {
        c.set('db', { find: () => 'theirs' })
        await next()
      })
      .use(requestScope(messaging) as never)
      .get('/:whose', (c) => c.text(c.get('db').find()))
    hono.onError((error, c) => {
      failures.push(error)
      return c.text('', 500)
    })
    expect(await (await hono.request('/theirs')).text()).toBe('theirs')
    expect((await hono.request('/ours')).status).toBe(500)
    expect(failures).toMatchObject([{ code: 'NO_SESSION', message: expect.stringMatching(/no session is configured/) }])
  })

  test('refuses what is no option', () => {
    expect(() => requestScope(freshMessaging(), { session: 'none' as never })).toThrow(/session must be true, false, 'manual' or 'read'/)
    expect(() => requestScope(freshMessaging(), { session: 'manual' })).toThrow(/^requestScope says session: "manual", and no session/)
  })
})
