import { database } from '../../database.ts'
import type { Db } from '../../messaging.ts'

export async function insertCustomer(db: Db, userId: number): Promise<void> {
  const known = await db.selectFrom('customers').select('user_id').where('user_id', '=', userId).executeTakeFirst()
  if (!known) await db.insertInto('customers').values({ user_id: userId }).execute()
}

export async function isCustomer(userId: number): Promise<boolean> {
  const known = await database.read.selectFrom('customers').select('user_id').where('user_id', '=', userId).executeTakeFirst()
  return known !== undefined
}
