import type { DatabaseSync } from 'node:sqlite'
import { closeOnSignal, emit } from '@corebus/core'
import { type RequestVariables, requestScope } from '@corebus/hono'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { z } from 'zod'
import { UserCreated } from '../events.ts'
import { messaging } from './messaging.ts'

const Registration = z.object({ email: z.email() })

const app = new Hono<{ Variables: RequestVariables<DatabaseSync> }>()
app.use(requestScope(messaging))
app.post('/users/register', async (c) => {
  const { data, error } = Registration.safeParse(await c.req.json())
  if (!data) return c.json({ issues: error.issues }, 422)
  const { changes, lastInsertRowid } = c.get('db').prepare('INSERT INTO users (email) VALUES (?) ON CONFLICT DO NOTHING').run(data.email)
  if (changes === 0) return c.json({ error: `${data.email} is registered already` }, 409)
  const user = { id: Number(lastInsertRowid), email: data.email }
  emit(UserCreated, user)
  return c.json(user, 201)
})

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 4001) }, ({ port }) => {
  messaging.logger.info(`listens at http://127.0.0.1:${port}`)
})
closeOnSignal(server, messaging)
