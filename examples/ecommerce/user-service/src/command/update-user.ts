import { messaging } from '../messaging.ts'
import type { UserChange } from './domain/user.ts'
import { userUpdated } from './event/user-events.ts'
import { findUser, saveUser } from './repository/users.ts'

export interface UpdateUser extends UserChange {
  readonly id: number
}

/** @throws Refused not_found, email_taken */
export async function updateUser({ id, ...change }: UpdateUser): Promise<void> {
  await messaging.session(async (db) => {
    const user = await findUser(db, id)
    user.change(change, new Date().toISOString())
    await saveUser(db, user)
    userUpdated(user)
  })
}
