// #region all
import { createMessaging, event } from '@corebus/core'
import { type ActionContext, action, jsonBody, mount, type RequestVariables, requestScope, ViewSet } from '@corebus/hono'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { UserCreated } from './events.ts'
import { type Users, users } from './users.ts'

export const messaging = createMessaging<{ db: Users }>({ broker: 'memory', service: 'users-api', session: users.transaction })

const Registration = z.object({ email: z.email(), password: z.string().min(8) })
type Registration = z.infer<typeof Registration>

class UserViewSet extends ViewSet {
  @action({ method: 'POST', body: Registration })
  @event(UserCreated)
  async register(_: Context, { db, body }: ActionContext<Users, Registration>) {
    return { id: db.insert(body.email), email: body.email }
  }
}

export const app = new Hono<{ Variables: RequestVariables<Users> }>()
app.use(requestScope(messaging))
mount(app, '/users', UserViewSet, { messaging }) // POST /users/register

app.post('/import', jsonBody(Registration.pick({ email: true })), (c) => {
  const { email } = c.req.valid('json')
  messaging.emit(UserCreated, { id: c.get('db').insert(email), email })
  return c.json({ ok: true })
})
// #endregion all
