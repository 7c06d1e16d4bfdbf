import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import { OrderShipped } from './events.ts'
import { countIn, messagingOver, ofOthers, withoutInbox } from './inbox.ts'

test('a message that comes twice is handled once, by its id or by what the handler knows it by; without the inbox twice', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec(`
    CREATE TABLE shipped (order_id INTEGER PRIMARY KEY);
    CREATE TABLE totals (orders INTEGER NOT NULL);
    INSERT INTO totals VALUES (0);
    CREATE TABLE stock (sku TEXT PRIMARY KEY, pieces INTEGER, counted_at INTEGER);
    CREATE TABLE erp_orders (number TEXT, version INTEGER);
  `)
  const messaging = await messagingOver(database)
  onTestFinished(async () => {
    await messaging.close()
    database.close()
  })
  countIn(messaging)
  withoutInbox(messaging)
  ofOthers(messaging)
  await messaging.start()
  const producer = messaging.getProducer()
  const shipped = (order_id: number) => messaging.publishEvent(OrderShipped, { order_id, at: new Date() }, { id: `shipped-${order_id}` })
  for (const order_id of [1, 1, 2]) await shipped(order_id)
  for (const version of [1, 1, 2]) await producer.send('erp.orders', { number: 'A7', version }, { key: 'A7' })
  for (const counted_at of [2, 1, 2]) await producer.send('stock.levels', { sku: 'a', pieces: counted_at * 10, counted_at }, { key: 'a' })
  await vi.waitFor(
    () => {
      expect(database.prepare('SELECT orders FROM totals').get()).toEqual({ orders: 2 })
      expect(database.prepare('SELECT version FROM erp_orders ORDER BY version').all()).toEqual([{ version: 1 }, { version: 2 }])
      expect(database.prepare('SELECT pieces FROM stock').get()).toEqual({ pieces: 20 })
    },
    { timeout: 20_000 },
  )
  await messaging.close()
  expect(database.prepare("SELECT count(*) AS n FROM processed_events WHERE grp <> ''").get()).toEqual({ n: 4 })
})
