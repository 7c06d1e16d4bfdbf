import { page } from '@ecommerce/platform'
import { database } from '../database.ts'
import type { UserRow } from '../tables.ts'

export interface UserView {
  readonly id: number
  readonly name: string
  readonly email: string
  readonly created_at: string
  readonly updated_at: string
}

export async function findUser(id: number): Promise<UserView | undefined> {
  const row = await database.read.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst()
  return row && view(row)
}

export async function listUsers({ limit, after = 0 }: { limit: number; after?: number | undefined }) {
  const rows = await database.read
    .selectFrom('users')
    .selectAll()
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit + 1)
    .execute()
  return page(rows.map(view), limit)
}

const view = ({ id, name, email, created_at, updated_at }: UserRow): UserView => ({ id: Number(id), name, email, created_at, updated_at })
