import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import mysql from 'mysql2/promise'
import pg from 'pg'
import type { SqlDatabase } from '../src/database/database.ts'
import { ofMysqlPool } from '../src/database/mysql2.ts'
import { ofPgPool } from '../src/database/pg.ts'
import { sqliteSession } from '../src/session/sqlite.ts'
import { adapt } from '../src/tx/adapt.ts'
import type { DatabaseName } from './cases/case.ts'
import { shared } from './databases.ts'

/** A database as the stores use it. */
export interface Store {
  readonly database: SqlDatabase
  close(): Promise<void>
}

export const STORES: Readonly<Record<DatabaseName, (url: string) => Promise<Store>>> = {
  async SQLite() {
    const folder = mkdtempSync(join(tmpdir(), 'corebus-sql-'))
    const db = new DatabaseSync(join(folder, 'test.db'))
    db.exec('PRAGMA journal_mode = WAL')
    return {
      database: sqliteSession(db).database,
      async close() {
        db.close()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  },
  async PostgreSQL(url) {
    const pool = new pg.Pool({ connectionString: url, max: 8 })
    return { database: ofPgPool(pool, 'PostgreSQL'), close: () => pool.end() }
  },
  async PGlite() {
    const db = await shared()
    const transaction: SqlDatabase['transaction'] = (work) => db.transaction((tx) => work(adapt(tx, { begun: true })))
    return { database: { dialect: 'postgres', where: 'PGlite', transaction, read: transaction }, async close() {} }
  },
  async MariaDB(url) {
    const pool = mysql.createPool({ uri: url, connectionLimit: 8 })
    return { database: ofMysqlPool(pool, 'MariaDB'), close: () => pool.end() }
  },
}

let tables = 0
/** A name that no other test of this run has. */
export const freshTable = (what: string): string => `${what}_${process.pid}_${++tables}`
