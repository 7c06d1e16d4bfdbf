import { afterAll, beforeAll, describe, inject } from 'vitest'
import type { SqlDatabase } from '../src/database/database.ts'
import { delayedSuite } from '../src/fixtures/delayed-suite.ts'
import { markSuite } from '../src/fixtures/mark-suite.ts'
import { type Fresh, outboxSuite } from '../src/fixtures/outbox-suite.ts'
import { relaySuite } from '../src/fixtures/relay-suite.ts'
import { relayTopicsSuite } from '../src/fixtures/relay-topics-suite.ts'
import { adapt } from '../src/tx/adapt.ts'
import { openMysql, openPg } from './pools.ts'

const { postgres: pgUrl, mariadb: mysqlUrl } = inject('servers')
const installed = inject('librariesInstalled')

function suites(fresh: Fresh): void {
  outboxSuite(fresh)
  delayedSuite(fresh)
  markSuite(fresh)
  relaySuite(fresh)
  relayTopicsSuite(fresh)
}

describe.skipIf(!installed || !pgUrl)('an outbox on PostgreSQL', () => {
  suites(() => openPg(pgUrl ?? ''))
})

describe.skipIf(!installed || !mysqlUrl)('an outbox on MariaDB', () => {
  suites(() => openMysql(mysqlUrl ?? ''))
})

describe.skipIf(!installed)('an outbox on PGlite', () => {
  let close: (() => Promise<void>) | undefined
  let shared: Promise<SqlDatabase> | undefined
  afterAll(() => close?.())

  /** It has one connection, which takes turns by itself, and takes seconds to start. */
  async function pglite(): Promise<SqlDatabase> {
    const { PGlite } = await import('@electric-sql/pglite')
    const db = await PGlite.create()
    close = () => db.close()
    const transaction: SqlDatabase['transaction'] = (work) => db.transaction((tx) => work(adapt(tx, { begun: true })))
    return { dialect: 'postgres', where: 'a PGlite of the tests', transaction, read: transaction }
  }

  const fresh = (): Promise<SqlDatabase> => {
    shared ??= pglite()
    return shared
  }
  // On a busy machine longer than a test may take.
  beforeAll(async () => void (await fresh()), 180_000)

  suites(fresh)
})
