import { isUniqueViolation } from '@corebus/sql'
import { forUpdate, Refused } from '@ecommerce/platform'
import type { Db } from '../../messaging.ts'
import { User } from '../domain/user.ts'

/** Held until the commit. @throws Refused not_found */
export async function findUser(db: Db, id: number): Promise<User> {
  const row = await forUpdate(db, db.selectFrom('users').selectAll().where('id', '=', id)).executeTakeFirst()
  if (!row) throw new Refused('not_found', `there is no user ${id}`)
  const { name, email, version, created_at: createdAt, updated_at: updatedAt } = row
  return new User({ id: Number(row.id), name, email, version, createdAt, updatedAt })
}

/** @throws Refused email_taken */
export async function insertUser(db: Db, { state: { id, name, email, version, createdAt, updatedAt } }: User): Promise<void> {
  const row = { id, name, email, version, created_at: createdAt, updated_at: updatedAt }
  await orTaken(email, db.insertInto('users').values(row).execute())
}

/** @throws Refused email_taken */
export async function saveUser(db: Db, { state: { id, name, email, version, updatedAt } }: User): Promise<void> {
  const row = { name, email, version, updated_at: updatedAt }
  await orTaken(email, db.updateTable('users').set(row).where('id', '=', id).execute())
}

async function orTaken(email: string, writing: Promise<unknown>): Promise<void> {
  try {
    await writing
  } catch (thrown) {
    if (isUniqueViolation(thrown)) throw new Refused('email_taken', `${email} belongs to another user`, { path: ['email'] })
    throw thrown
  }
}
