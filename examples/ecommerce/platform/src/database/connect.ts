import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Kysely, MysqlDialect, PostgresDialect } from 'kysely'
import { createPool } from 'mysql2'
import pg from 'pg'
import { type DatabaseAddress, IN_MEMORY } from '../settings/settings.ts'
import { NodeSqliteDialect } from './node-sqlite.ts'

const BUSY_TIMEOUT_MS = 5_000
const POOL = 20

/** The Kysely that writes and one that reads, which on SQLite is a connection of its own: who reads waits for nobody who writes. */
export interface Connections<Tables> {
  readonly write: Kysely<Tables>
  readonly read: Kysely<Tables>
  close(): Promise<void>
}

export function connect<Tables>(address: DatabaseAddress): Connections<Tables> {
  switch (address.kind) {
    case 'sqlite': {
      if (address.file === IN_MEMORY) return inMemory()
      mkdirSync(dirname(address.file), { recursive: true })
      const write = sqlite<Tables>(address.file)
      const read = sqlite<Tables>(address.file)
      return { write, read, close: async () => void (await Promise.all([write.destroy(), read.destroy()])) }
    }
    case 'mysql':
      return shared(
        new Kysely<Tables>({
          dialect: new MysqlDialect({
            pool: createPool({ uri: address.url, connectionLimit: POOL, charset: 'utf8mb4_bin', supportBigNumbers: true }),
          }),
        }),
      )
    case 'postgres': {
      const pool = new pg.Pool({ connectionString: address.url, max: POOL })
      // A connection that is lost fails the statement that needs it; without a listener it would end the process.
      pool.on('connect', (client) => client.on('error', () => undefined))
      pool.on('error', () => undefined)
      return shared(new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }))
    }
  }
}

/** A second connection would be a second database. It is not closed: apps of tests follow one another on it, and it ends with the process. */
function inMemory<Tables>(): Connections<Tables> {
  const db = sqlite<Tables>(IN_MEMORY)
  return { write: db, read: db, close: async () => undefined }
}

function sqlite<Tables>(file: string): Kysely<Tables> {
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  // The embedded broker keeps its file in the same way: a process that is killed loses nothing, and a power cut may take the last moments.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
  return new Kysely<Tables>({ dialect: new NodeSqliteDialect(database) })
}

const shared = <Tables>(db: Kysely<Tables>): Connections<Tables> => ({ write: db, read: db, close: () => db.destroy() })
