import { DatabaseSync } from 'node:sqlite'
import { createMessaging, emit } from '@corebus/core'
import { jsonBody, modelRoutes, requestScope } from '@corebus/hono'
import { sqliteSession, sqlRepository } from '@corebus/sql'
import { Hono } from 'hono'
import { hc } from 'hono/client'
import { z } from 'zod'
import { UserCreated } from './events.ts'

const database = new DatabaseSync(':memory:')
database.exec('CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, nickname TEXT)')
export const messaging = createMessaging({ broker: 'memory', service: 'users-api', session: sqliteSession(database) })

// #region repository
interface User {
  readonly id: number
  readonly email: string
  readonly nickname: string | null
}

const users = sqlRepository<User>({ table: 'users', columns: { id: 'integer', email: 'text', nickname: 'text?' } })
// #endregion repository

// #region routes
const NewUser = z.object({ email: z.email(), nickname: z.string().max(40).nullable().default(null) })

export const app = new Hono()
  .route(
    '/users',
    modelRoutes({
      repository: users,
      schema: NewUser,
      sorts: ['email'],
      messaging,
      async performCreate(data, { db }) {
        const user = await users.insert(db, data)
        emit(UserCreated, user)
        return user
      },
    }),
  )
  .post('/import', jsonBody(z.array(NewUser).max(1_000)), requestScope(messaging), async (c) => {
    for (const data of c.req.valid('json')) emit(UserCreated, await users.insert(c.var.db, data))
    return c.json({ imported: c.req.valid('json').length }, 201)
  })
// #endregion routes

// #region client
export const client = hc<typeof app>('http://localhost', { fetch: app.request })

export async function nicknameOf(email: string): Promise<string | null> {
  const answer = await client.users.$post({ json: { email, nickname: 'ana' } })
  if (answer.status !== 201) throw new Error((await answer.json()).error)
  return (await answer.json()).nickname
}
// #endregion client
