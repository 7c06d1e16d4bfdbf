import { DatabaseSync } from 'node:sqlite'
import { configureMessaging } from '@corebus/core'
import { sqliteSession } from '@corebus/sql'
import { afterAll, describe } from 'vitest'
import { shop } from './app.ts'
import { requests } from './fixtures/requests-suite.ts'
import { TABLES } from './tables.ts'

// packages/sql/libraries/view-sets.libraries.test.ts is the same on PostgreSQL and PGlite.
describe('the ViewSets on SQLite', () => {
  const database = new DatabaseSync(':memory:')
  afterAll(() => database.close())
  requests(async () => {
    for (const statement of TABLES.sqlite) database.exec(statement)
    const messaging = configureMessaging<{ db: DatabaseSync }>({
      broker: 'memory',
      service: 'shop-api',
      session: sqliteSession(database),
      env: { LOG_LEVEL: 'silent' },
    })
    return {
      app: shop(),
      messaging,
      count: async (table) => Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n),
    }
  })
})
