import { describe } from 'vitest'
import { freshDatabase } from '../fixtures/database.ts'
import { delayedSuite } from '../fixtures/delayed-suite.ts'
import { markSuite } from '../fixtures/mark-suite.ts'
import { outboxSuite } from '../fixtures/outbox-suite.ts'
import { sqliteSession } from '../session/sqlite.ts'

describe('an outbox on SQLite', () => {
  const fresh = async () => sqliteSession(freshDatabase().database).database
  outboxSuite(fresh)
  delayedSuite(fresh)
  markSuite(fresh)
})
