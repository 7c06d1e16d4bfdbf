import type { DatabaseSync } from 'node:sqlite'
import { emit, event } from '@corebus/core'
import { type ActionContext, action, ModelViewSet, type PerformContext } from '@corebus/hono'
import { UserCreated, UserUpdated } from '@two-apis/events'
import type { Context } from 'hono'
import { z } from 'zod'
import { hashPassword } from './password.ts'
import { type User, users } from './users.ts'

const Registration = z.object({ email: z.email(), password: z.string().min(8) })
type Registration = z.infer<typeof Registration>

const Change = z.object({ email: z.email() })
type Change = z.infer<typeof Change>

/**
 * The actions of a table, those of them that are wanted, and one of its own. What is under `@event` is written into the outbox in the transaction of the
 * request. An answer of 400 and above publishes nothing.
 */
export class UserViewSet extends ModelViewSet<User, Change, DatabaseSync> {
  static override readonly only = ['retrieve', 'partialUpdate']
  readonly repository = users
  override readonly changes = Change

  /** A hash takes its time, so it is made outside of the transaction: whoever else writes does not wait for it. The event belongs to the part that inserts. */
  @action({ method: 'POST', body: Registration, session: 'manual' })
  async register(_: Context, { session, body: { email, password } }: ActionContext<DatabaseSync, Registration>) {
    const hash = await hashPassword(password)
    return session(async (db) => {
      const { id } = await this.repository.insert(db, { email, password: hash })
      emit(UserCreated, { id, email })
      return { id, email }
    })
  }

  /** PATCH /users/:id */
  @event(UserUpdated)
  override performUpdate(id: string, changes: Change, context: PerformContext<DatabaseSync>) {
    return super.performUpdate(id, changes, context)
  }
}
