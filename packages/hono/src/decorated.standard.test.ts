import { defineEvent, event } from '@corebus/core'
import { type Context, Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type ActionContext, action } from './action.ts'
import { freshMessaging, hear } from './fixtures/broker.ts'
import { serve } from './fixtures/server.ts'
import { mount } from './mount.ts'
import { ViewSet } from './view-set.ts'

// Compiled with standard decorators; decorated.legacy.test.ts is the same with experimentalDecorators.

const TOPIC = 'user-events'
const Registration = z.object({ email: z.email() })
type Registration = z.infer<typeof Registration>
const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.email() }), { topic: TOPIC, key: 'id' })

class UserViewSet extends ViewSet {
  #made = 0

  @action({ method: 'POST', body: Registration })
  @event(UserCreated)
  async register(_: Context, { body }: ActionContext<unknown, Registration>) {
    return { id: ++this.#made, email: body.email, passwordHash: 'secret' }
  }

  @event(UserCreated)
  @action({ method: 'POST', path: 'sign-up', body: Registration })
  signUp(_: Context, { body }: ActionContext<unknown, Registration>) {
    return { id: ++this.#made, email: body.email }
  }

  @action({ method: 'PUT', detail: true, path: '', body: Registration })
  @event(UserCreated)
  async answered(c: Context, { id, body }: ActionContext<unknown, Registration>) {
    if (id === '404') return c.json({ error: 'no such user' }, 404)
    return c.json({ id: Number(id), email: body.email }, 202)
  }

  @action({ method: 'DELETE', detail: true, path: '' })
  @event('user.deleted', { topic: TOPIC, keyField: 'id', includeResult: false })
  async remove(_: Context, { id }: ActionContext) {
    return { id }
  }
}

/** Takes over an action with another event, keeps one as it is, and extends one. */
class AdminViewSet extends UserViewSet {
  @event('admin.created', { topic: TOPIC })
  override async register(c: Context, context: ActionContext<unknown, Registration>) {
    return super.register(c, context)
  }

  @action({ method: 'POST', path: 'join', body: Registration })
  override signUp(c: Context, context: ActionContext<unknown, Registration>) {
    return super.signUp(c, context)
  }
}

async function users(type: typeof UserViewSet) {
  const messaging = freshMessaging()
  const heard = await hear(messaging, TOPIC)
  const app = new Hono()
  mount(app, '/users', type, { messaging })
  const url = await serve(app)
  const call = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${url}/users${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return [response.status, text.startsWith('{') ? JSON.parse(text) : text]
  }
  return { messaging, heard, call }
}

describe('with standard decorators', () => {
  test('@action over @event answers and publishes what the method returns, without the fields the schema does not know', async () => {
    const { heard, call } = await users(UserViewSet)
    expect(await call('POST', '/register', { email: 'a@b.co' })).toEqual([201, { id: 1, email: 'a@b.co', passwordHash: 'secret' }])
    await heard.atLeast(1)
    expect(heard.events).toMatchObject([{ name: 'user.created', source: 'x' }])
    expect(heard.events[0]?.data).toEqual({ id: 1, email: 'a@b.co' })
    expect(heard.messages[0]?.key).toBe('1')
  })

  test('@event over @action does the same, with one instance for all requests', async () => {
    const { heard, call } = await users(UserViewSet)
    await call('POST', '/register', { email: 'a@b.co' })
    expect(await call('POST', '/sign-up', { email: 'c@d.co' })).toEqual([201, { id: 2, email: 'c@d.co' }])
    await heard.atLeast(2)
    expect(heard.events.map(({ data }) => data)).toEqual([
      { id: 1, email: 'a@b.co' },
      { id: 2, email: 'c@d.co' },
    ])
  })

  test('a Response is answered as it is; its JSON is the event, and of a failed one there is none', async () => {
    const { heard, call } = await users(UserViewSet)
    expect(await call('PUT', '/404', { email: 'a@b.co' })).toEqual([404, { error: 'no such user' }])
    expect(await call('PUT', '/7', { email: 'a@b.co' })).toEqual([202, { id: 7, email: 'a@b.co' }])
    await heard.atLeast(1)
    expect(heard.events.map(({ data }) => data)).toEqual([{ id: 7, email: 'a@b.co' }])
  })

  test('includeResult: false publishes no data, and the key of the result', async () => {
    const { heard, call } = await users(UserViewSet)
    expect(await call('DELETE', '/7')).toEqual([200, { id: '7' }])
    await heard.atLeast(1)
    expect([heard.events[0]?.name, heard.events[0]?.data, heard.messages[0]?.key]).toEqual(['user.deleted', {}, '7'])
  })

  test('a body that does not fit publishes nothing', async () => {
    const { messaging, call } = await users(UserViewSet)
    expect(await call('POST', '/register', { email: 'nobody' })).toEqual([
      422,
      { error: 'the body does not fit', issues: [{ path: ['email'], message: expect.stringContaining('email') }] },
    ])
    expect(messaging.counters.published).toBe(0)
  })

  test('a subclass inherits actions; an override without @action keeps the route, and publishes once', async () => {
    const { heard, call } = await users(AdminViewSet)
    expect(await call('POST', '/register', { email: 'a@b.co' })).toMatchObject([201, { id: 1 }])
    expect(await call('PUT', '/7', { email: 'a@b.co' })).toEqual([202, { id: 7, email: 'a@b.co' }])
    await heard.atLeast(2)
    expect(heard.events.map(({ name }) => name)).toEqual(['admin.created', 'user.created'])
  })

  test('an override with its own @action replaces the route', async () => {
    const { call } = await users(AdminViewSet)
    expect(await call('POST', '/sign-up', { email: 'a@b.co' })).toMatchObject([404, '404 Not Found'])
    expect(await call('POST', '/join', { email: 'a@b.co' })).toMatchObject([201, { id: 1 }])
  })
})
