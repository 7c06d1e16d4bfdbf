import { DatabaseSync } from 'node:sqlite'
import { replication } from '@corebus/cqrs'
import { expect, onTestFinished, test, vi } from 'vitest'
import { catalog, freshness, shop, stock, TABLES } from './replication.ts'

test('a replica follows its master through creates, updates in bulk and deletes, and hooks see each change', async () => {
  const database = new DatabaseSync(':memory:')
  database.exec(`${TABLES}; CREATE TABLE stock (sku TEXT PRIMARY KEY, n INTEGER)`)
  const { messaging, cqrs } = await catalog(database)
  const cache = new Map<string, unknown>([['1', 'old']])
  replication(messaging, [stock(cache)])
  onTestFinished(async () => {
    await messaging.close()
    database.close()
  })
  await messaging.start()
  const { create, remove, discount, add } = shop(messaging, cqrs)
  await create(1, 'Notebook', '3500.00')
  await create(2, 'Mouse', '80.00')
  await discount([1, 2], 10)
  await remove(2)
  expect(await add('Teclado')).toBe(2)
  const rows = () => database.prepare('SELECT sku, nome, preco, cqrs_revision AS revision FROM produto_mirror ORDER BY sku').all()
  const wanted = [
    { sku: 1, nome: 'Notebook', preco: 3150, revision: 2 },
    { sku: 2, nome: 'Teclado', preco: 0, revision: 4 },
  ]
  await vi.waitFor(() => expect(rows()).toEqual(wanted), { timeout: 20_000 })
  expect(await freshness(messaging, cqrs, 1)).toBe(2)
  const stocks = () => database.prepare('SELECT sku, n FROM stock ORDER BY sku').all()
  await vi.waitFor(
    () =>
      expect([stocks(), cache.size]).toEqual([
        [
          { sku: '1', n: 10 },
          { sku: '2', n: 0 },
        ],
        0,
      ]),
    { timeout: 20_000 },
  )
})
