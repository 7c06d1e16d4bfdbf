import type { DatabaseSync } from 'node:sqlite'
import { closeOnSignal, event } from '@corebus/core'
import { type ActionContext, action, mount, ViewSet } from '@corebus/hono'
import { serve } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { UserCreated } from '../events.ts'
import { messaging } from './messaging.ts'

const Registration = z.object({ email: z.email() })
type Registration = z.infer<typeof Registration>

class UserViewSet extends ViewSet {
  @action({ method: 'POST', body: Registration })
  @event(UserCreated)
  register(c: Context, { db, body: { email } }: ActionContext<DatabaseSync, Registration>) {
    const { changes, lastInsertRowid } = db.prepare('INSERT INTO users (email) VALUES (?) ON CONFLICT DO NOTHING').run(email)
    if (changes === 0) return c.json({ error: `${email} is registered already` }, 409)
    return { id: Number(lastInsertRowid), email }
  }
}

const app = new Hono()
mount(app, '/users', UserViewSet)

const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 4001) }, ({ port }) => {
  messaging.logger.info(`listens at http://127.0.0.1:${port}`)
})
closeOnSignal(server, messaging)
