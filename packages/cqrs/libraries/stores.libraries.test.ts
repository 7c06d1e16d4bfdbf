import type { SqlSessions } from '@corebus/sql'
import { txOf } from '@corebus/sql/internal'
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { sqlDocuments } from '../src/documents/sql.ts'
import { projectionsSuite } from '../src/fixtures/projections-suite.ts'
import { type StoreUnderTest, storeSuite } from '../src/fixtures/store-suite.ts'
import type { Opened } from './open.ts'

const { postgres, mongo } = inject('stores')
const open = inject('clientsInstalled') ? await import('./open.ts') : undefined

/** Opened before the tests of a block and closed behind them. */
function during<T>(make: (() => Promise<Opened<T>>) | undefined): () => T {
  let opened: Opened<T> | undefined
  beforeAll(async () => {
    opened = await make?.()
  })
  afterAll(() => opened?.close())
  return () => opened?.value as T
}

describe.skipIf(!open || !postgres)('on PostgreSQL', () => {
  const sessions = during(() => open!.openPostgres(postgres ?? ''))
  storeSuite('PostgreSQL', async () => inSessions(sessions()))
  projectionsSuite('PostgreSQL', async () => ({ sessions: sessions() }), { runs: 8 })
})

describe.skipIf(!open)('on PGlite', () => {
  const sessions = during(() => open!.openPglite())
  storeSuite('PGlite', async () => inSessions(sessions()), { runs: 20 })
  projectionsSuite('PGlite', async () => ({ sessions: sessions() }), { runs: 4 })
})

describe.skipIf(!open || !mongo)('on MongoDB', () => {
  const documents = during(() => open!.openMongo(mongo ?? ''))
  storeSuite('MongoDB', async () => ({ store: documents(), in: (work) => work(documents().documents(undefined as never)) }), { runs: 20 })
})

function inSessions({ database, write }: SqlSessions<unknown>): StoreUnderTest {
  const store = sqlDocuments(database)
  return { store, in: (work) => write((db) => work(store.documents(txOf(db, database.dialect)))) }
}
