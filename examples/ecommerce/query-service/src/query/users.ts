import type { Stored } from '@corebus/cqrs'
import { page } from '@ecommerce/platform'
import type { UserView } from '../projection/user-view.ts'
import { views } from '../projection/views.ts'

const { users } = views

export async function findUser(id: number) {
  const user = await users.get(id)
  return user && answer(user)
}

export async function listUsers({ limit, after = 0 }: { readonly limit: number; readonly after?: number | undefined }) {
  const { items } = await users.find({ where: { id: { gt: after } }, sort: ['id'], limit: limit + 1 })
  return page(items.map(answer), limit)
}

const answer = ({ id, name, email, created_at, updated_at }: Stored<UserView>) => ({ id, name, email, created_at, updated_at })
