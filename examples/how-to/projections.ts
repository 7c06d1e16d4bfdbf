import type { DatabaseSync } from 'node:sqlite'
import { createMessaging, defineEvent, type Messaging } from '@corebus/core'
import { collection, type Projections, projection, projections } from '@corebus/cqrs'
import { migrate, sqlInbox, sqliteSession } from '@corebus/sql'
import { z } from 'zod'

export const OrderCreated = defineEvent(
  'order.created',
  z.object({ id: z.number(), user_id: z.number(), total_cents: z.number(), created_at: z.string() }),
  { topic: 'order.created', key: 'id' },
)
export const OrderPaid = defineEvent('order.paid', z.object({ id: z.number() }), { topic: 'order.paid', key: 'id' })
export const UserUpdated = defineEvent('user.updated', z.object({ id: z.number(), name: z.string(), version: z.number() }), {
  topic: 'user.updated',
  key: 'id',
})

// #region views
export interface OrderView {
  readonly user_id: number
  readonly total_cents: number
  readonly status: 'PENDING' | 'PAID'
  readonly created_at: string
  readonly user_name?: string
}

const orders = collection<OrderView>({
  fields: { user_id: 'number', status: 'text', created_at: 'text' },
  indexes: [['user_id', 'created_at'], 'status'],
  required: ['user_id', 'created_at'],
})
const users = collection<{ readonly name: string; readonly version: number }>()
// #endregion views

// #region projection
/** A later state has a greater rank, so a late event of an earlier one changes nothing. */
const RANK = { PENDING: 1, PAID: 2 } as const

export const shop = projection('shop', {
  events: [OrderCreated, OrderPaid, UserUpdated],
  collections: { orders, users },
  async handle(event, { docs }) {
    switch (event.name) {
      case 'order.created': {
        const { id, user_id, total_cents, created_at } = event.data
        await docs.orders.merge(id, { user_id, total_cents, created_at }, { revision: 1 })
        await docs.orders.merge(id, { status: 'PENDING' }, { revision: RANK.PENDING })
        // The user may be known before the order, or after it: see below.
        const user = await docs.users.get(user_id)
        if (user?.name && user.version) await docs.orders.merge(id, { user_name: user.name }, { revision: user.version })
        return
      }
      case 'order.paid':
        // It may come before order.created: readers are shown the order when that has come too.
        return docs.orders.merge(event.data.id, { status: 'PAID' }, { revision: RANK.PAID })
      case 'user.updated': {
        const { id, name, version } = event.data
        await docs.users.put(id, { name, version }, { revision: version })
        for (let after: string | undefined, begun = false; !begun || after !== undefined; begun = true) {
          const page = await docs.orders.find({ where: { user_id: id }, limit: 1_000, ...(after !== undefined && { after }) })
          for (const order of page.items) await docs.orders.merge(order._id, { user_name: name }, { revision: version })
          after = page.next
        }
      }
    }
  },
})
// #endregion projection

export async function queryService(database: DatabaseSync): Promise<{ messaging: Messaging; views: Projections }> {
  // #region configured
  const session = sqliteSession(database)
  const inbox = sqlInbox()
  const messaging = createMessaging({ broker: 'memory', service: 'query-service', session, inbox })
  const views = projections(messaging, [shop])
  await migrate(session, [inbox])
  await views.migrate() // the journal, and the first collections
  // #endregion configured
  return { messaging: messaging as unknown as Messaging, views }
}

export async function ordersOf(views: Projections, userId: number, after?: string): Promise<readonly (string | undefined)[]> {
  // #region read
  const { orders } = views.of(shop)
  const one = await orders.get(1)
  const page = await orders.find({
    where: { user_id: userId, status: { in: ['PENDING', 'PAID'] }, created_at: { gte: '2026-01-01' } },
    sort: ['-created_at'],
    limit: 20,
    ...(after !== undefined && { after }),
  })
  // #endregion read
  return [one?.status, ...page.items.map((order) => order.user_name), page.next]
}
