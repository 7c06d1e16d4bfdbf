import { kyselySession, type SqlSessions } from '@corebus/sql'
import type { Kysely, Transaction } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import type { Settings } from '../settings/settings.ts'
import { connect } from './connect.ts'
import { sequences } from './sequence.ts'

export interface WriteDatabase<Tables> {
  readonly session: SqlSessions<Transaction<Tables>>
  /** The database for queries, which change nothing and stand in no transaction. */
  readonly read: Kysely<Tables>
  close(): Promise<void>
}

/** The migrations by name, which run in the order of their names. */
export type Migrations = Readonly<Record<string, Migration>>

/**
 * Connects to the service's write database and brings its tables up to date. Server and consumer may do that at the same time. Each service has a history
 * of its own, so that several may share one database, as the seed's four do.
 */
export async function openWriteDatabase<Tables>(settings: Settings, migrations: Migrations): Promise<WriteDatabase<Tables>> {
  const { write, read, close } = connect<Tables>(settings.database)
  // A command holds the rows that it has read, and nothing beside them: in MySQL's own level it would hold the gaps between them too.
  const isolation = settings.database.kind === 'sqlite' ? {} : { isolation: 'read committed' as const }
  const session = kyselySession<Transaction<Tables>>(write, { ...isolation, ...(read !== write && { read }) })
  const migrate = (db: Kysely<Tables>) => migrateTables(db, settings.service, { '0000_sequences': sequences, ...migrations })
  // PostgreSQL and MySQL have locks for it; on SQLite the session is the lock.
  if (settings.database.kind === 'sqlite') await session.write(migrate)
  else await migrate(write)
  return { session, read, close }
}

async function migrateTables<Tables>(db: Kysely<Tables>, service: string, migrations: Migrations): Promise<void> {
  const history = service.replaceAll('-', '_')
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
    migrationTableName: `${history}_migrations`,
    migrationLockTableName: `${history}_migrations_lock`,
  })
  const { error } = await migrator.migrateToLatest()
  if (error) throw error
}
