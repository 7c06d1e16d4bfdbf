import { sqliteSession } from '@corebus/sql'
import { txOf } from '@corebus/sql/internal'
import { memoryDatabase } from '../fixtures/shop.ts'
import { storeSuite } from '../fixtures/store-suite.ts'
import { sqlDocuments } from './sql.ts'

storeSuite('SQLite', async () => {
  const { write, database } = sqliteSession(memoryDatabase())
  const store = sqlDocuments(database)
  return { store, in: (work) => write((db) => work(store.documents(txOf(db, 'sqlite')))) }
})
