import type { DatabaseSync } from 'node:sqlite'
import { emit, event } from '@corebus/core'
import { type ActionContext, action, ViewSet } from '@corebus/hono'
import { UserCreated, UserUpdated } from '@two-apis/events'
import type { Context } from 'hono'
import { z } from 'zod'
import { hashPassword } from './password.ts'
import { changeEmail, findUser, insertUser } from './users.ts'

const Registration = z.object({ email: z.email(), password: z.string().min(8) })
type Registration = z.infer<typeof Registration>

const Change = z.object({ email: z.email() })
type Change = z.infer<typeof Change>

/** What an action returns is answered and, under `@event`, written into the outbox in the transaction of the request. An answer of 400 and above publishes nothing. */
export class UserViewSet extends ViewSet {
  /** A hash takes its time, so it is made outside of the transaction: whoever else writes does not wait for it. The event belongs to the part that inserts. */
  @action({ method: 'POST', body: Registration, session: 'manual' })
  async register(c: Context, { session, body }: ActionContext<DatabaseSync, Registration>) {
    const { email } = body
    const password = await hashPassword(body.password)
    const id = await session(async (db) => {
      const inserted = insertUser(db, { email, password })
      if (inserted !== undefined) emit(UserCreated, { id: inserted, email })
      return inserted
    })
    if (id === undefined) return c.json({ error: `${email} is registered already` }, 409)
    return { id, email }
  }

  @action({ method: 'PATCH', detail: true, path: '', body: Change })
  @event(UserUpdated)
  update(c: Context, { db, id, body: { email } }: ActionContext<DatabaseSync, Change>) {
    const user = findUser(db, Number(id))
    if (!user) return c.json({ error: `there is no user ${id}` }, 404)
    if (!changeEmail(db, user.id, email)) return c.json({ error: `${email} is registered already` }, 409)
    return { id: user.id, email }
  }

  @action({ detail: true, path: '' })
  retrieve(c: Context, { db, id }: ActionContext<DatabaseSync>) {
    return findUser(db, Number(id)) ?? c.json({ error: `there is no user ${id}` }, 404)
  }
}
