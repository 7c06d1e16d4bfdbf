import { sqliteSession } from '@corebus/sql'
import { txOf } from '@corebus/sql/internal'
import { expect, test } from 'vitest'
import { memoryDatabase } from '../fixtures/shop.ts'
import { writesOf } from './access.ts'
import { collection } from './collection.ts'
import { settledReads } from './settled.ts'
import { sqlDocuments } from './sql.ts'
import type { Documents } from './store.ts'

interface Item {
  readonly n: number
  readonly seen: number
}

const { shape } = collection<Item>({ fields: { n: 'number' } })
const place = { name: 'items__1', shape }

async function opened(): Promise<Documents> {
  const { write, database } = sqliteSession(memoryDatabase())
  const store = sqlDocuments(database)
  await store.create(place)
  // Each by itself, as where there are no transactions.
  const each = <T>(work: (documents: Documents) => Promise<T>): Promise<T> => write((db) => work(store.documents(txOf(db, 'sqlite'))))
  return {
    get: (...args) => each((documents) => documents.get(...args)),
    change: (...args) => each((documents) => documents.change(...args)),
    find: (...args) => each((documents) => documents.find(...args)),
  }
}

const docsOf = (documents: Documents) => writesOf<Item>('items', place, documents, { lock: false })

test.each(['get', 'find'] as const)(
  'who has read by %s what another one wrote meanwhile is called again, and then sees it',
  async (how) => {
    const documents = await opened()
    let calls = 0
    await settledReads(documents, async (own) => {
      calls++
      const docs = docsOf(own)
      const found = how === 'get' ? await docs.get(2) : (await docs.find({ where: { n: 2 } })).items[0]
      // Another handler, which read before this one had written.
      if (calls === 1) await docsOf(documents).merge(2, { n: 2 }, { revision: 1 })
      if (found?.n !== undefined) await docs.merge(1, { seen: found.n }, { revision: 1 })
    })
    expect(calls).toBe(2)
    expect(await docsOf(documents).get(1)).toEqual({ _id: '1', seen: 2 })
  },
)

test('who has read nothing is called once; who never reads the same twice is an error', async () => {
  const documents = await opened()
  let calls = 0
  await settledReads(documents, async (own) => {
    calls++
    await docsOf(own).merge(1, { n: 1 }, { revision: 1 })
  })
  expect(calls).toBe(1)
  const restless = settledReads(documents, async (own) => {
    await docsOf(own).get(1)
    await docsOf(own).merge(1, { n: ++calls }, { revision: calls })
  })
  await expect(restless).rejects.toMatchObject({ code: 'DOCUMENT' })
})
