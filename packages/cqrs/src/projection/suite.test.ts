import { sqliteSession } from '@corebus/sql'
import { projectionsSuite } from '../fixtures/projections-suite.ts'
import { memoryDatabase } from '../fixtures/shop.ts'

projectionsSuite('SQLite', async () => ({ sessions: sqliteSession(memoryDatabase()) }))
