import type { DatabaseSync } from 'node:sqlite'
import { configureMessaging, defineEvent, emit, event } from '@corebus/core'
import { type SqlRepository, sqlRepository } from '@corebus/sql'
import { Hono } from 'hono'
import { hc, type InferRequestType, type InferResponseType } from 'hono/client'
import { z } from 'zod'
import { health } from './health.ts'
import { jsonBody } from './json-body.ts'
import { modelRoutes } from './model-routes.ts'
import { ModelViewSet, type PerformContext } from './model-view-set.ts'
import { mount } from './mount.ts'
import type { Repository } from './repository.ts'
import { requestScope } from './request-scope.ts'

// Compiled by tsc in both decorator modes (tsconfig.test.json and tsconfig.legacy.json), never run.

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const sure = <_ extends true>(): void => undefined

interface User {
  readonly id: number
  readonly email: string
  readonly nickname: string | null
}
const NewUser = z.object({ email: z.email(), nickname: z.string().default('none') })
type NewUser = z.infer<typeof NewUser>
const UserCreated = defineEvent('user.created', z.object({ id: z.number(), email: z.string() }), { topic: 'user-events', key: 'id' })
const users: SqlRepository<User, Partial<User & { password: string }>> = sqlRepository<User, { password: string }>({
  table: 'users',
  columns: { id: 'integer', email: 'text', nickname: 'text?' },
  writeOnly: { password: 'text' },
})

// The columns that are given for a table fit the interface of its rows.
// @ts-expect-error email is missing
sqlRepository<User>({ table: 'users', columns: { id: 'integer', nickname: 'text?' } })
// @ts-expect-error a number is no text
sqlRepository<User>({ table: 'users', columns: { id: 'text', email: 'text', nickname: 'text?' } })
// @ts-expect-error nickname may be null
sqlRepository<User>({ table: 'users', columns: { id: 'integer', email: 'text', nickname: 'text' } })
// @ts-expect-error there is no such column
sqlRepository<User>({ table: 'users', key: 'code', columns: { id: 'integer', email: 'text', nickname: 'text?' } })
export const asInterface: Repository<User, NewUser, DatabaseSync> = users

export const messaging = configureMessaging<{ db: DatabaseSync }>({})

// Functions keep what Hono knows of routes: what they take, what they answer, and with which status.
export const app = new Hono()
  .route('/', health(messaging))
  .route(
    '/users',
    modelRoutes({
      repository: users,
      schema: NewUser,
      filters: ['email'],
      messaging,
      async performCreate(data, { db, c }) {
        sure<Equal<typeof data, NewUser>>()
        sure<Equal<typeof db, DatabaseSync>>()
        const user = await users.insert(db, { ...data, password: c.req.header('password') ?? '' })
        emit(UserCreated, user)
        // @ts-expect-error the event has an email
        emit(UserCreated, { id: user.id })
        return user
      },
    }),
  )
  .use(requestScope(messaging))
  .post('/import', jsonBody(NewUser), (c) => {
    const user = { id: c.var.db.prepare('').run().changes as number, email: c.req.valid('json').email }
    emit(UserCreated, user)
    return c.json(user, 201)
  })

export const client = hc<typeof app>('http://localhost')
type Refused = { error: string; issues?: { path: (string | number)[]; message: string }[] }
type Row = { readonly id: number; readonly email: string; readonly nickname: string | null }
const one = client.users[':id']

sure<Equal<InferRequestType<typeof client.users.$post>, { json: { email: string; nickname?: string | undefined } }>>()
sure<Equal<InferResponseType<typeof client.users.$post, 201>, Row>>()
sure<Equal<InferResponseType<typeof client.users.$post, 409>, Refused>>()
sure<Equal<InferResponseType<typeof client.users.$get, 200>, { readonly items: readonly Row[]; readonly next: string | null }>>()
sure<Equal<InferResponseType<typeof one.$get, 200>, Row>>()
sure<Equal<InferResponseType<typeof one.$patch, 200>, Row>>()
sure<Equal<InferRequestType<typeof one.$put>['param'], { id: string }>>()
sure<Equal<InferRequestType<typeof client.import.$post>, { json: { email: string; nickname?: string | undefined } }>>()
sure<Equal<InferResponseType<typeof client.import.$post, 201>, { id: number; email: string }>>()
sure<Equal<InferResponseType<typeof client.import.$post, 422>, Refused>>()
sure<Equal<InferResponseType<typeof client.readyz.$get>['groups'][number]['group'], string>>()

export async function calls(): Promise<void> {
  await client.users.$get()
  await client.users.$get({ query: { limit: '2', sort: '-email', email: ['a@b.co', 'c@d.co'] } })
  await one.$patch({ param: { id: '1' }, json: { nickname: 'ana' } })
  await one.$delete({ param: { id: '1' } })
  // @ts-expect-error an email is needed
  await client.users.$post({ json: {} })
  // @ts-expect-error there is no such column
  await client.users.$get({ query: { colour: 'red' } })
  const answer = await client.users.$post({ json: { email: 'a@b.co' } })
  if (answer.status === 201) (await answer.json()).email satisfies string
  else (await answer.json()).error satisfies string
}

// A route that is left out has no types either.
export const reading = hc<ReturnType<typeof read>>('http://localhost')
const read = () => new Hono().route('/users', modelRoutes({ repository: users, only: ['list', 'retrieve'], messaging }))
sure<Equal<keyof typeof reading.users & `$${string}`, '$get' | '$url' | '$path'>>()
// @ts-expect-error only these two
reading.users.$post({ json: { email: 'a@b.co' } })

export const wrong = () =>
  // @ts-expect-error there is no such column
  modelRoutes({ repository: users, schema: NewUser, filters: ['colour'], messaging })

export const wrongReturn = () =>
  modelRoutes({
    repository: users,
    schema: NewUser,
    messaging,
    // @ts-expect-error a row has more than that
    async performCreate() {
      return { id: 1 }
    },
  })

class UserViewSet extends ModelViewSet<User, NewUser, DatabaseSync> {
  readonly repository = users
  override readonly schema = NewUser

  @event(UserCreated)
  override async performCreate(data: NewUser, context: PerformContext<DatabaseSync>) {
    return super.performCreate(data, context)
  }
}

export class WrongEvent extends ModelViewSet<User, NewUser, DatabaseSync> {
  readonly repository = users
  override readonly schema = NewUser

  // @ts-expect-error the row has no total
  @event(defineEvent('order.created', z.object({ total: z.number() }), { topic: 'orders' }))
  override async performCreate(data: NewUser, context: PerformContext<DatabaseSync>) {
    return super.performCreate(data, context)
  }
}

export class WrongSchema extends ModelViewSet<User, NewUser, DatabaseSync> {
  readonly repository = users
  // @ts-expect-error of another body
  override readonly schema = z.object({ title: z.string() })
}

mount(new Hono(), '/users', UserViewSet, { messaging, maxBodyBytes: 1024 })
