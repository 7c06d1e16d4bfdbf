import { configureMessaging, defineEvent, emit, event } from '@corebus/core'
import { type Context, Hono } from 'hono'
import { hc, type InferResponseType } from 'hono/client'
import { z } from 'zod'
import { type ActionContext, action } from './action.ts'
import { mount } from './mount.ts'
import { type RequestVariables, requestScope } from './request-scope.ts'
import { ViewSet } from './view-set.ts'

// Compiled by tsc in both decorator modes (tsconfig.test.json and tsconfig.legacy.json), never run.

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const sure = <_ extends true>(): void => undefined

interface Tx {
  insert(row: { email: string }): number
}
const Registration = z.object({ email: z.email(), age: z.coerce.number().optional() })
type Registration = z.infer<typeof Registration>
const Page = z.object({ page: z.coerce.number() })
type Page = z.infer<typeof Page>
const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.string() }), { topic: 'user-events', key: 'id' })

export class Fits extends ViewSet {
  @action({ methods: ['POST'], body: Registration })
  @event(UserCreated)
  async register(_: Context, { db, body }: ActionContext<Tx, Registration>) {
    return { id: db.insert(body), email: body.email }
  }

  @event(UserCreated)
  @action({ method: 'POST', body: Registration, query: Page })
  otherOrder(c: Context<{ Variables: { user: string } }>, { body, query }: ActionContext<Tx, Registration, Page>) {
    return query.page > 1 ? c.json({ error: 'no' }, 400) : c.json({ id: 1, email: `${c.get('user')} ${body.email}` }, 201)
  }

  @action({ method: 'POST', body: Registration })
  lessThanThereIs(_: Context, { body }: ActionContext<unknown, { email: string }>) {
    return body.email
  }

  @action({ method: 'POST', body: Registration })
  unread(_: Context, { db }: ActionContext<Tx>) {
    return db.insert({ email: '' })
  }

  @action()
  nothing() {}

  @action({ detail: true })
  async one(c: Context, { id, params }: ActionContext) {
    return c.text(id + params.id)
  }
}

export class WrongBody extends ViewSet {
  // @ts-expect-error the schema has no name
  @action({ method: 'POST', body: Registration })
  async missing(_: Context, { body }: ActionContext<Tx, { name: string }>) {
    return body
  }

  // @ts-expect-error email is a string
  @action({ method: 'POST', body: Registration })
  otherType(_: Context, { body }: ActionContext<Tx, { email: number }>) {
    return body
  }

  // @ts-expect-error there is no schema that would make a body
  @action({ method: 'POST' })
  noSchema(_: Context, { body }: ActionContext<Tx, Registration>) {
    return body
  }

  // @ts-expect-error a query is no body
  @action({ method: 'POST', query: Page })
  noBody(_: Context, { body }: ActionContext<Tx, Page>) {
    return body
  }

  @event(UserCreated)
  // @ts-expect-error the same below @event
  @action({ method: 'POST', body: Registration })
  belowEvent(_: Context, { body }: ActionContext<Tx, { name: string }>) {
    return { id: 1, email: body.name }
  }

  // @ts-expect-error and over it
  @action({ method: 'POST', body: Registration })
  @event(UserCreated)
  overEvent(_: Context, { body }: ActionContext<Tx, { name: string }>) {
    return { id: 1, email: body.name }
  }
}

export class WrongQuery extends ViewSet {
  // @ts-expect-error page is a number on the code side
  @action({ query: Page })
  list(_: Context, { query }: ActionContext<Tx, unknown, { page: string }>) {
    return query
  }
}

export class WrongOptions extends ViewSet {
  // @ts-expect-error HEAD is answered from GET
  @action({ methods: ['HEAD'] })
  head() {}

  // @ts-expect-error there is no such option
  @action({ details: true })
  misspelt() {}
}

export class WrongReturn extends ViewSet {
  @action({ method: 'POST' })
  // @ts-expect-error the event has an email
  @event(UserCreated)
  async missing() {
    return { id: 1 }
  }

  // @ts-expect-error the same over @action
  @event(UserCreated)
  @action({ method: 'POST' })
  async overAction() {
    return { id: '1', email: '' }
  }

  @action({ method: 'POST' })
  // @ts-expect-error it may return nothing
  @event(UserCreated)
  async maybe(c: Context) {
    return c.req.query('x') ? { id: 1, email: '' } : undefined
  }

  @action({ method: 'POST' })
  // @ts-expect-error a Response of another shape
  @event(UserCreated)
  async response(c: Context) {
    return c.json({ id: 1 }, 201)
  }

  @action({ method: 'POST' })
  // @ts-expect-error what this Response holds is not known
  @event(UserCreated)
  untyped() {
    return new Response('{}')
  }

  // @ts-expect-error the schema has no such key
  @event(UserCreated, { keyField: 'user_id' })
  @action({ method: 'POST' })
  wrongKey() {
    return { id: 1, email: '' }
  }
}

export const messaging = configureMessaging<{ db: Tx }>({})

// Plain routes keep what Hono knows of them.
export const app = new Hono().use(requestScope(messaging)).post('/users', (c) => {
  const id = c.var.db.insert({ email: 'a@b.co' })
  emit(UserCreated, { id, email: 'a@b.co' })
  // @ts-expect-error the event has an email
  emit(UserCreated, { id })
  sure<Equal<typeof c.var.requestId, string>>()
  return c.json({ id }, 201)
})
export const client = hc<typeof app>('http://localhost')
sure<Equal<InferResponseType<typeof client.users.$post>, { id: number }>>()

export const typed = new Hono<{ Variables: RequestVariables<Tx> }>()
typed.use(requestScope(messaging))
typed.get('/', (c) => c.json(c.get('db').insert({ email: '' })))

mount(app, '/users', Fits)
mount(typed, '/users', Fits, { messaging, resolve: (Class) => new (Class as new () => InstanceType<typeof Class>)() })
mount(
  new Hono().basePath('/api').get('/x', (c) => c.text('')),
  '/users',
  Fits,
  { messaging },
)
// @ts-expect-error an instance is no class
mount(typed, '/users', new Fits())
