import { expect, test } from 'vitest'
import { z } from 'zod'
import { onMemory, until } from '../../test/kit.ts'
import { defineEvent } from '../wire/event-type.ts'
import { debezium } from './debezium.ts'
import { incoming, json } from './fixtures/incoming.ts'

const read = (body: unknown) => debezium.in(incoming({ body: json(body) }))

// As its documentation of the connector for PostgreSQL has it.
const source = {
  version: '3.0.5.Final',
  connector: 'postgresql',
  name: 'shop',
  ts_ms: 1714000000000,
  snapshot: 'false',
  db: 'inventory',
  schema: 'public',
  table: 'customers',
  txId: 555,
  lsn: 24023128,
}
const row = { id: 1001, email: 'alice@example.com' }
const created = { before: null, after: row, source, op: 'c', ts_ms: 1714000000142, transaction: null }

test('a change is the event of its table, with and without its schema', () => {
  const event = {
    name: 'public.customers',
    data: { op: 'c', before: null, after: row, source },
    timestamp: '2024-04-24T23:06:40.000Z',
    source: 'shop',
  }
  expect(read(created)).toEqual(event)
  expect(read({ schema: { type: 'struct', fields: [] }, payload: created })).toEqual(event)
  const { schema: _, ...mysql } = source
  expect(read({ ...created, source: mysql })).toMatchObject({ name: 'inventory.customers' })
  expect(read({ ...created, op: 'd', source: { db: 'shop', collection: 'orders' }, before: row, after: undefined })).toMatchObject({
    name: 'shop.orders',
    data: { op: 'd', before: row, after: null },
    timestamp: '2024-04-24T23:06:40.142Z',
  })
})

test('a time that no date can be is none', () => {
  for (const ts_ms of [1e300, -1e300]) expect(read({ ...created, source: { ...source, ts_ms } })).toMatchObject({ timestamp: undefined })
})

test('transactions, heartbeats, changes of tables and a row with a column named payload are not changes of rows', () => {
  const others = [
    { status: 'BEGIN', id: '571:53195829', event_count: null },
    { ts_ms: 1714000000142 },
    { source, databaseName: 'inventory', ddl: 'CREATE TABLE t' },
    { id: 1, payload: {}, source: 'web' },
  ]
  expect(others.map(read)).toEqual(others.map(() => undefined))
})

test('a deletion and the tombstone behind it: one is handled, the other skipped', async () => {
  const messaging = onMemory()
  const seen: unknown[] = []
  const Change = z.object({
    op: z.string(),
    before: z.object({ id: z.number() }).nullable(),
    after: z.object({ id: z.number() }).nullable(),
  })
  const Customers = defineEvent('public.customers', Change, { topic: 'shop.public.customers', ...debezium })
  messaging.on(Customers, { group: 'g' }, ({ data }) => void seen.push(data))
  await messaging.start()
  const { send } = messaging.getProducer()
  await send('shop.public.customers', { ...created, op: 'd', before: row, after: null }, { key: '1001' })
  await send('shop.public.customers', null, { key: '1001' })
  await until(
    () => messaging.counters.handled === 1 && messaging.counters.skipped === 1,
    () => messaging.counters,
  )
  expect(seen).toEqual([{ op: 'd', before: { id: 1001 }, after: null }])
  expect(messaging.counters.dead).toBe(0)
  await expect(messaging.publishEvent(Customers, { op: 'c', before: null, after: null })).rejects.toMatchObject({ code: 'NO_OUT' })
})
