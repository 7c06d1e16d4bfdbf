import { messaging } from '../messaging.ts'
import { User } from './domain/user.ts'
import { userCreated } from './event/user-events.ts'
import { insertUser } from './repository/users.ts'

export interface CreateUser {
  readonly id: number
  readonly name: string
  readonly email: string
}

/** @throws Refused email_taken */
export async function createUser({ id, name, email }: CreateUser): Promise<void> {
  const user = User.create({ id, name, email, at: new Date().toISOString() })
  await messaging.session(async (db) => {
    await insertUser(db, user)
    userCreated(user)
  })
}
