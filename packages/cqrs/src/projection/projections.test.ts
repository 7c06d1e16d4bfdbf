import { createMessaging } from '@corebus/core'
import { migrate, sqlInbox, sqliteSession } from '@corebus/sql'
import { expect, onTestFinished, test, vi } from 'vitest'
import { memoryDatabase, OrderCreated, OrderPaid, shopProjection, UserChanged } from '../fixtures/shop.ts'
import { projection } from './projection.ts'
import { projections } from './projections.ts'

async function shop() {
  const database = memoryDatabase()
  const sessions = sqliteSession(database)
  const inbox = sqlInbox()
  const messaging = createMessaging({ broker: 'memory', service: 'shop', session: sessions, inbox, logLevel: 'silent' })
  onTestFinished(() => messaging.close())
  const projection = shopProjection()
  const views = projections(messaging, [projection])
  await migrate(sessions, [inbox, views.feature])
  return { database, sessions, messaging, projection, views, ...views.of(projection) }
}

const created = { id: 7, user_id: 1, total: 9.5, at: '2026-12-01T10:00:00Z' }

test('events become documents, whichever comes first, and readers see those that are complete', async () => {
  const { messaging, views, orders } = await shop()
  await messaging.start()
  await messaging.publishEvent(OrderPaid, { id: 7 })
  await vi.waitFor(() => expect(messaging.counters.handled).toBe(1))
  expect(await orders.get(7)).toBeUndefined()
  await messaging.publishEvent(UserChanged, { id: 1, name: 'Ada', version: 1 })
  await messaging.publishEvent(OrderCreated, created)
  await vi.waitFor(async () =>
    expect(await orders.get(7)).toEqual({ _id: '7', user_id: 1, total: 9.5, created_at: created.at, status: 'PAID', user_name: 'Ada' }),
  )
  await messaging.publishEvent(UserChanged, { id: 1, name: 'Ada L.', version: 2 })
  await vi.waitFor(async () => expect(await orders.find({ where: { user_id: 1 } })).toMatchObject({ items: [{ user_name: 'Ada L.' }] }))
  await views.rebuild('shop')
  expect(await orders.get(7)).toEqual({ _id: '7', user_id: 1, total: 9.5, created_at: created.at, status: 'PAID', user_name: 'Ada L.' })
})

test('a process that only reads registers nothing, and reads beside one that handles', async () => {
  const { database, messaging, projection } = await shop()
  const inbox = sqlInbox()
  const reader = createMessaging({ broker: 'memory', service: 'reader', session: sqliteSession(database), inbox, logLevel: 'silent' })
  onTestFinished(() => reader.close())
  const { orders } = projections(reader, [projection], { readOnly: true }).of(projection)
  await expect(reader.start()).rejects.toMatchObject({ code: 'NO_HANDLERS' })
  await messaging.start()
  await messaging.publishEvent(OrderCreated, created)
  await vi.waitFor(async () => expect(await orders.get(7)).toMatchObject({ user_id: 1 }))
  expect(() => projections(messaging, [projection], { readOnly: true })).not.toThrow()
})

test('a handler is given the correlation id of what its event came of, also in a rebuild', async () => {
  const database = memoryDatabase()
  const sessions = sqliteSession(database)
  const inbox = sqlInbox()
  const messaging = createMessaging({ broker: 'memory', service: 'shop', session: sessions, inbox, logLevel: 'silent' })
  onTestFinished(() => messaging.close())
  const given: [id: string, correlationId: string, replay: boolean][] = []
  const listed = projection('listed', {
    events: [OrderCreated],
    collections: {},
    handle: (_, { id, correlationId, replay }) => void given.push([id, correlationId, replay]),
  })
  const views = projections(messaging, [listed])
  await migrate(sessions, [inbox, views.feature])
  messaging.handle({ topic: 'asked', group: 'asking' }, () => messaging.publishEvent(OrderCreated, created, { id: 'o1' }))
  await messaging.start()
  await messaging.getProducer().send('asked', 1, { id: 'a1' })
  await vi.waitFor(() => expect(given).toEqual([['o1', 'a1', false]]))
  await views.rebuild('listed')
  expect(given[1]).toEqual(['o1', 'a1', true])
})
