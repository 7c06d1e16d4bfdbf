import { randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { event } from '@corebus/core'
import { type ActionContext, action, ModelViewSet } from '@corebus/hono'
import { sqlRepository } from '@corebus/sql'
import type { Context } from 'hono'
import { z } from 'zod'
import { UserCreated } from './events.ts'

// #region repository
interface User {
  readonly id: number
  readonly email: string
}

/** The password is written, and never read into a row: no answer and no event can have it. */
export const users = sqlRepository<User, { password: string }>({
  table: 'users',
  columns: { id: 'integer', email: 'text' },
  writeOnly: { password: 'text' },
})
// #endregion repository

const derive = promisify<string, Buffer, number, Buffer>(scrypt)

async function hashed(password: string): Promise<string> {
  const salt = randomBytes(16)
  return `${salt.toString('hex')}:${(await derive(password, salt, 32)).toString('hex')}`
}

// #region view-set
/** A hash takes its time: made while the body is checked, it keeps no transaction open. */
const Registration = z.object({ email: z.email(), password: z.string().min(8).max(200).transform(hashed) })
type Registration = z.infer<typeof Registration>

export class UserViewSet extends ModelViewSet<User, Registration> {
  /** The actions that are offered, out of six: users come by `register` alone, so there is no POST /users. */
  static override readonly only = ['list', 'retrieve', 'partialUpdate', 'destroy']
  readonly repository = users
  override readonly changes = z.object({ email: z.email() }).partial()
  override readonly filters = ['email']

  /** POST /users/register. What it returns is the answer, and the data of the event. */
  @action({ methods: ['POST'], body: Registration })
  @event(UserCreated)
  async register(_: Context, { db, body }: ActionContext<unknown, Registration>) {
    const { id, email } = await this.repository.insert(db, body)
    return { id, email }
  }
}
// #endregion view-set
