import { type Context, Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type ActionContext, action } from './action.ts'
import { allHeard, freshMessaging, hear } from './fixtures/broker.ts'
import { freshDatabase } from './fixtures/database.ts'
import { serve } from './fixtures/server.ts'
import { mount } from './mount.ts'
import { requestScope } from './request-scope.ts'
import { ViewSet, type ViewSetClass } from './view-set.ts'

function mounted(type: ViewSetClass, prefix = '/things') {
  const messaging = freshMessaging()
  const app = new Hono()
  mount(app, prefix, type, { messaging })
  return app
}

const answered = async (response: Response | Promise<Response>) => {
  const { status, headers } = await response
  const text = await (await response).text()
  return [status, headers.get('content-type')?.split(';')[0] ?? null, text]
}

class Things extends ViewSet {
  @action()
  list() {
    return [1, 2]
  }

  @action({ method: 'POST', path: '' })
  create() {
    return { id: 1 }
  }

  @action({ detail: true, path: '' })
  one(_: Context, { id }: ActionContext) {
    return { id }
  }

  @action({ methods: ['PUT', 'PATCH'], detail: true })
  rename(c: Context) {
    return { method: c.req.method }
  }

  @action({ detail: true, path: '/parts/:part/' })
  part(_: Context, { id, params }: ActionContext) {
    return { id, part: params.part }
  }

  @action()
  me() {
    return null
  }

  @action({ method: 'DELETE', detail: true, path: '' })
  async nothing() {}

  @action()
  async response() {
    return new Response('as it is', { status: 203, headers: { 'Content-Type': 'text/x-own' } })
  }

  @action()
  idless(_: Context, { id }: ActionContext) {
    return id
  }
}

describe('what an action returns', () => {
  test.each([
    ['GET', '/things/list', 200, 'application/json', '[1,2]'],
    ['POST', '/things', 201, 'application/json', '{"id":1}'],
    ['GET', '/things/7', 200, 'application/json', '{"id":"7"}'],
    ['PUT', '/things/7/rename', 200, 'application/json', '{"method":"PUT"}'],
    ['PATCH', '/things/7/rename', 200, 'application/json', '{"method":"PATCH"}'],
    ['GET', '/things/7/parts/9', 200, 'application/json', '{"id":"7","part":"9"}'],
    ['GET', '/things/me', 200, 'application/json', 'null'],
    ['DELETE', '/things/7', 204, null, ''],
    ['GET', '/things/response', 203, 'text/x-own', 'as it is'],
    ['HEAD', '/things/list', 200, 'application/json', ''],
    ['POST', '/things/list', 404, 'text/plain', '404 Not Found'],
  ])('%s %s answers %i', async (method, path, ...expected) => {
    expect(await answered(mounted(Things).request(path, { method }))).toEqual(expected)
  })

  test('a response of fetch is passed on, although the server has replaced the global Response', async () => {
    const elsewhere = await serve(new Hono().get('/', (c) => c.json({ from: 'elsewhere' }, 202)))
    class PassingOn extends ViewSet {
      @action({ path: '' })
      get() {
        return fetch(elsewhere)
      }
    }
    const response = await fetch(`${await serve(mounted(PassingOn))}/things`)
    expect([response.status, await response.json()]).toEqual([202, { from: 'elsewhere' }])
  })
})

test('an action that throws publishes nothing, with an error or with anything else', async () => {
  class Throwing extends ViewSet {
    @action({ detail: true, path: '' })
    one(_: Context, { id }: ActionContext) {
      messaging.emit('seen', { id }, { topic: 'things' })
      throw id === 'error' ? new Error('no') : 'no'
    }
  }
  const messaging = freshMessaging()
  const heard = await hear(messaging, 'things')
  const app = new Hono()
  mount(app, '/things', Throwing, { messaging })
  app.onError((error, c) => c.text(error.message, 500))
  const url = await serve(app)
  expect((await fetch(`${url}/things/error`)).status).toBe(500)
  expect((await fetch(`${url}/things/string`)).status).toBe(500)
  expect(await allHeard(messaging, heard, 'things')).toEqual([])
})

test('id, read where the path has none, is an error that names the action', async () => {
  const app = mounted(Things)
  app.onError((error, c) => c.text(error.message, 500))
  expect((await answered(app.request('/things/idless')))[2]).toBe(
    'Things.idless reads id, and its path /things/idless has no :id. Set detail: true, or name it in the path',
  )
})

test('a prefix may be the root, or end in a slash', async () => {
  expect((await mounted(Things, '/').request('/list')).status).toBe(200)
  expect((await mounted(Things, 'things/').request('/things/list')).status).toBe(200)
  expect((await mounted(Things, '/orgs/:org/things').request('/orgs/1/things/7')).status).toBe(200)
})

describe('the session', () => {
  class Parents extends ViewSet {
    @action({ method: 'POST', path: '', body: z.object({ fail: z.boolean() }) })
    async create(c: Context, { db, body }: ActionContext<ReturnType<typeof freshDatabase>['database'], { fail: boolean }>) {
      db.exec('INSERT INTO parent DEFAULT VALUES')
      return body.fail ? c.json({ error: 'no' }, 409) : { same: db === c.get('db') }
    }
  }

  function counted() {
    const { session, rows, ...rest } = freshDatabase()
    let sessions = 0
    const messaging = freshMessaging({
      session: (work) => {
        sessions++
        return session(work)
      },
    })
    return { ...rest, messaging, rows, sessions: () => sessions }
  }
  const create = (app: Hono, body: object) =>
    app.request('/parents', { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })

  test('reaches the action, commits with its answer and rolls back with its error', async () => {
    const { messaging, rows, sessions } = counted()
    const app = new Hono()
    mount(app, '/parents', Parents, { messaging })
    const response = await create(app, { fail: false })
    expect([response.status, await response.json(), rows()]).toEqual([201, { same: true }, 1])
    expect([(await create(app, { fail: true })).status, rows(), sessions()]).toEqual([409, 1, 2])
  })

  test('is not opened for a body that does not fit', async () => {
    const { messaging, sessions } = counted()
    const app = new Hono()
    mount(app, '/parents', Parents, { messaging })
    expect([(await create(app, {})).status, sessions()]).toEqual([422, 0])
  })

  test('is the one of requestScope, where that is in use', async () => {
    const { messaging, rows, sessions } = counted()
    const app = new Hono()
    app.use(requestScope(messaging))
    mount(app, '/parents', Parents, { messaging })
    expect([(await create(app, { fail: false })).status, rows(), sessions()]).toEqual([201, 1, 1])
  })

  test('is of the instance given to mount, also below the requestScope of another', async () => {
    const { messaging, rows, sessions } = counted()
    const app = new Hono()
    app.use(requestScope(freshMessaging()))
    mount(app, '/parents', Parents, { messaging })
    expect([(await create(app, { fail: false })).status, rows(), sessions()]).toEqual([201, 1, 1])
  })
})
