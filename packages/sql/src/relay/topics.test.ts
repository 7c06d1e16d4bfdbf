import { describe } from 'vitest'
import { freshDatabase } from '../fixtures/database.ts'
import { relayTopicsSuite } from '../fixtures/relay-topics-suite.ts'
import { sqliteSession } from '../session/sqlite.ts'

describe('a relay on SQLite, and topics', () => {
  relayTopicsSuite(async () => sqliteSession(freshDatabase().database).database)
})
