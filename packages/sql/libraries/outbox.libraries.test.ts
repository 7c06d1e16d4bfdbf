import { afterAll, describe, inject, onTestFinished } from 'vitest'
import type { SqlDatabase } from '../src/database/database.ts'
import { ofMysqlPool } from '../src/database/mysql2.ts'
import { ofPgPool } from '../src/database/pg.ts'
import { outboxSuite } from '../src/fixtures/outbox-suite.ts'
import { adapt } from '../src/tx/adapt.ts'

const { postgres: pgUrl, mariadb: mysqlUrl } = inject('servers')
const installed = inject('librariesInstalled')

describe.skipIf(!installed || !pgUrl)('an outbox on PostgreSQL', () => {
  outboxSuite(async () => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: pgUrl })
    pool.on('error', () => {})
    onTestFinished(() => pool.end())
    return ofPgPool(pool, 'a PostgreSQL of the tests')
  })
})

describe.skipIf(!installed || !mysqlUrl)('an outbox on MariaDB', () => {
  outboxSuite(async () => {
    const { default: mysql } = await import('mysql2/promise')
    const pool = mysql.createPool(mysqlUrl ?? '')
    onTestFinished(() => pool.end())
    return ofMysqlPool(pool, 'a MariaDB of the tests')
  })
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

  outboxSuite(() => {
    shared ??= pglite()
    return shared
  })
})
