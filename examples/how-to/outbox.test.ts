import { DatabaseSync } from 'node:sqlite'
import { outboxStore, sqliteSession } from '@corebus/sql'
import { expect, test } from 'vitest'
import { configured, order, pay } from './outbox.ts'

test('a reminder waits in the database, and is taken back with the payment', async () => {
  using database = new DatabaseSync(':memory:')
  database.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, paid INTEGER)')
  const messaging = await configured(database)
  const store = outboxStore(sqliteSession(database).database)
  try {
    await order(messaging, 1)
    expect(await store.status()).toMatchObject({ delayed: 1 })
    expect([await pay(messaging, 1), await pay(messaging, 1)]).toEqual([true, false])
    expect(await store.status()).toMatchObject({ delayed: 0 })
  } finally {
    await messaging.close()
  }
})
