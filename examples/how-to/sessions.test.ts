import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createMessaging } from '@corebus/core'
import { mount } from '@corebus/hono'
import { sqliteSession } from '@corebus/sql'
import { Hono } from 'hono'
import { expect, onTestFinished, test, vi } from 'vitest'
import { OrderShipped } from './events.ts'
import { chargeFor, type Gateway, Mails, messagingOver, OrderViewSet, place, sessionsOver } from './sessions.ts'

function freshDatabase(): DatabaseSync {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-how-to-'))
  const database = new DatabaseSync(join(folder, 'orders.db'))
  onTestFinished(() => {
    database.close()
    rmSync(folder, { recursive: true, force: true })
  })
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE payments (order_id INTEGER PRIMARY KEY)')
  return database
}

const charge = (order_id: number) => ({ order_id, amount: 1, card_token: 't' })

test('a slow gateway keeps nobody waiting: neither requests nor other messages', async () => {
  const database = freshDatabase()
  const messaging = messagingOver(database)
  onTestFinished(() => messaging.close())
  const asked: string[] = []
  const answer = Promise.withResolvers<void>()
  const gateway: Gateway = {
    async charge(_, { key }) {
      asked.push(key)
      await answer.promise
    },
    refund: async (orderId) => void asked.push(`refund-${orderId}`),
  }
  chargeFor(messaging, gateway)
  const app = new Hono()
  mount(app, '/orders', OrderViewSet, { messaging, resolve: (() => new OrderViewSet(gateway)) as never })
  await messaging.start()
  for (let id = 1; id <= 10; id++) await messaging.getProducer().send('payments.process', charge(id))
  await vi.waitFor(() => expect(asked.length).toBeGreaterThan(0))
  expect(await (await app.request('/orders')).json()).toEqual([])
  expect((await app.request('/orders/99/refund', { method: 'POST' })).status).toBe(204)
  expect(messaging.counters.handled).toBe(0)
  answer.resolve()
  await vi.waitFor(() => expect(messaging.counters.handled).toBe(10), { timeout: 5_000 })
  expect(await (await app.request('/orders')).json()).toHaveLength(10)
})

test('a session of its own has the row and the event, or neither', async () => {
  const database = freshDatabase()
  const messaging = messagingOver(database)
  await place(messaging, 1)
  await expect(place(messaging, 1)).rejects.toThrow(/UNIQUE/)
  await messaging.close()
  expect(database.prepare('SELECT order_id FROM payments').all()).toHaveLength(1)
  expect(messaging.counters.published).toBe(1)
})

test('a class says it for all its handlers, and one of them for itself', async () => {
  const database = freshDatabase()
  database.exec('INSERT INTO payments VALUES (2)')
  const mails = new Mails()
  const messaging = createMessaging({
    broker: 'memory',
    url: 'memory://sessions',
    service: 'orders-api',
    session: sqliteSession(database),
    env: {},
    handlers: [Mails],
    resolve: (() => mails) as never,
  })
  onTestFinished(() => messaging.close())
  await messaging.start()
  await messaging.publishEvent(OrderShipped, { order_id: 1, at: new Date() })
  await messaging.getProducer().send('payments.process', charge(2))
  await vi.waitFor(() => expect([...mails.sent].sort()).toEqual([1, 2]))
})

test('a library with transactions has both', async () => {
  const log: string[] = []
  const execute =
    (kind: string) =>
    async <T>(work: (db: never) => Promise<T>): Promise<T> => {
      log.push(kind)
      return work(undefined as never)
    }
  const { write, read } = sessionsOver({
    transaction: () => ({ execute: execute('writes'), setAccessMode: (mode) => ({ execute: execute(mode) }) }),
  })
  await write(async () => undefined)
  await read(async () => undefined)
  expect(log).toEqual(['writes', 'read only'])
})
