import { collection, type WritesOf } from '@corebus/cqrs'
import type { UserCreated, UserUpdated } from '@ecommerce/contracts'
import type { orders } from './order-view.ts'

export interface UserView {
  readonly id: number
  readonly name: string
  readonly email: string
  readonly version: number
  readonly created_at: string
  readonly updated_at: string
}

export const users = collection<UserView>({ fields: { id: 'number' }, indexes: ['id'], required: ['created_at'] })

type Docs = WritesOf<{ orders: typeof orders; users: typeof users }>

export async function userCreated(docs: Docs, { created_at, ...user }: UserCreated['data']): Promise<void> {
  await docs.users.merge(user.id, { created_at }, { revision: 1 })
  await userKnown(docs, { ...user, updated_at: created_at })
}

/** Keeps the user, and writes it into the orders that are there; those that come later look for it. */
export async function userKnown(docs: Docs, { id, name, email, version, updated_at }: UserUpdated['data']): Promise<void> {
  const isNew = await docs.users.merge(id, { id, name, email, version, updated_at }, { revision: version })
  if (!isNew) return
  let page = await docs.orders.find({ where: { user_id: id }, limit: PAGE })
  for (;;) {
    for (const { _id } of page.items) await docs.orders.merge(_id, { user_name: name, user_email: email }, { revision: version })
    if (page.next === undefined) return
    page = await docs.orders.find({ where: { user_id: id }, limit: PAGE, after: page.next })
  }
}

const PAGE = 500
