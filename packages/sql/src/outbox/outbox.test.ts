import { describe } from 'vitest'
import { freshDatabase } from '../fixtures/database.ts'
import { outboxSuite } from '../fixtures/outbox-suite.ts'
import { sqliteSession } from '../session/sqlite.ts'

describe('an outbox on SQLite', () => {
  outboxSuite(async () => sqliteSession(freshDatabase().database).database)
})
