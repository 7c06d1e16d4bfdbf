import { sqlRepository } from '@corebus/sql'
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { type RepositorySessions, repositorySuite } from '../src/fixtures/repository-suite.ts'
import type { Dialect } from '../src/tx/sql-tx.ts'
import type { DatabaseName } from './cases/case.ts'
import type { Opened, SessionCase } from './cases/session-case.ts'
import type { Outside } from './databases.ts'

const servers = inject('servers')
const cases = inject('librariesInstalled') ? await import('./cases/sessions.ts') : undefined

const URLS: Readonly<Record<DatabaseName, string | undefined>> = {
  SQLite: 'a file of its own',
  PGlite: 'in the process',
  PostgreSQL: servers.postgres,
  MariaDB: servers.mariadb,
}
const DIALECTS: Readonly<Record<DatabaseName, Dialect>> = { SQLite: 'sqlite', MariaDB: 'mysql', PostgreSQL: 'postgres', PGlite: 'postgres' }

describe.each(cases?.SESSION_CASES ?? [])('a repository in a $library on $database', (one) => {
  describe.skipIf(!URLS[one.database])('', () => suite(one))
})

function suite({ database, sqlite, open }: SessionCase): void {
  let db: Outside
  let session: Opened
  beforeAll(async () => {
    const { outside } = await import('./databases.ts')
    db = await outside(database, URLS[database] ?? '', sqlite)
    session = await open(db.at)
  })
  afterAll(async () => {
    await session?.close()
    await db?.close()
  })
  repositorySuite(
    (): RepositorySessions => ({
      dialect: DIALECTS[database],
      write: (work) => session.write(({ tx }) => work(tx)),
      read: (work) => session.read(({ tx }) => work(tx)),
      run: (statement) => db.run(statement),
    }),
    sqlRepository,
  )
}
