import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqliteSession } from '@corebus/sql'
import { expect, onTestFinished, test } from 'vitest'
import { sqlDocuments } from '../documents/sql.ts'
import type { DocumentStore } from '../documents/store.ts'
import { projected } from '../fixtures/projected.ts'
import { OrderCreated, published } from '../fixtures/shop.ts'

const order = { id: 7, user_id: 1, total: 1, at: '2026-12-01' } as { id: number }

test.each([
  ['whose collections are gone is an error', true],
  ['whose collections are empty when they are gone', false],
])('who was about to read a store %s while it is rebuilt reads what it has then', async (_, transactional) => {
  const folder = mkdtempSync(join(tmpdir(), 'corebus-cqrs-'))
  const database = new DatabaseSync(join(folder, 'shop.db'))
  database.exec('PRAGMA journal_mode = WAL')
  onTestFinished(() => {
    database.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const sessions = sqliteSession(database)
  const inner = sqlDocuments(sessions.database)
  const meanwhile: (() => Promise<unknown>)[] = []
  // Between the look which collection is shown and the look into it.
  const documents: DocumentStore = {
    ...inner,
    transactional,
    documents: (tx) => ({
      ...inner.documents(tx),
      async find(place, plan) {
        await meanwhile.pop()?.()
        try {
          return await inner.documents(tx).find(place, plan)
        } catch (thrown) {
          if (transactional) throw thrown
          return []
        }
      },
    }),
  }
  const one = await projected(sessions, { documents })
  await one.handle(published(OrderCreated, order))
  let generation = 0
  meanwhile.push(async () => {
    ;({ generation } = await one.views.rebuild('shop'))
  })
  expect(await one.docs.orders.find({ where: { user_id: 1 } })).toMatchObject({ items: [{ _id: '7' }] })
  expect(generation).toBe(2)
})
