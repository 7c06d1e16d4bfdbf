import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import { OrderCreated, OrderPaid, ordersOf, queryService, shop, UserUpdated } from './projections.ts'

test('a read model is the same whichever event comes first, and after a rebuild', async () => {
  const database = new DatabaseSync(':memory:')
  const { messaging, views } = await queryService(database)
  onTestFinished(async () => {
    await messaging.close()
    database.close()
  })
  await messaging.start()
  await messaging.publishEvent(OrderPaid, { id: 1 })
  await messaging.publishEvent(UserUpdated, { id: 7, name: 'Ada', version: 1 })
  for (const id of [1, 2]) await messaging.publishEvent(OrderCreated, { id, user_id: 7, total_cents: 950, created_at: `2026-12-0${id}` })
  const wanted = ['PAID', 'Ada L.', 'Ada L.', undefined]
  await messaging.publishEvent(UserUpdated, { id: 7, name: 'Ada L.', version: 2 })
  await vi.waitFor(async () => expect(await ordersOf(views, 7)).toEqual(wanted), { timeout: 20_000 })
  expect(await views.rebuild('shop')).toMatchObject({ events: 5, generation: 2 })
  expect(await ordersOf(views, 7)).toEqual(wanted)
  const { items } = await views.of(shop).orders.find({ where: { status: 'PENDING' } })
  expect(items.map(({ _id }) => _id)).toEqual(['2'])
})
