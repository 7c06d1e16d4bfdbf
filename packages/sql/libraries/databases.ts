import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PGlite } from '@electric-sql/pglite'
import Sqlite from 'better-sqlite3'
import mysql from 'mysql2/promise'
import pg from 'pg'
import type { Case, DatabaseName } from './cases/case.ts'

/** A database, looked at from outside of the library under test. */
export interface Outside {
  /** What a library is to open. */
  readonly at: string
  run(statement: string): Promise<unknown>
  ids(table: 'orders' | 'notes'): Promise<readonly number[]>
  close(): Promise<void>
}

/** `orders` is the business's, `notes` is ours. */
const tables = (bytes: string): readonly string[] => [
  'DROP TABLE IF EXISTS orders',
  'DROP TABLE IF EXISTS notes',
  'CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY)',
  `CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, big BIGINT, small INTEGER, body TEXT, bytes ${bytes}, empty TEXT)`,
]

let pglite: Promise<PGlite> | undefined
/** It has one connection and takes seconds to start. */
export async function shared(): Promise<PGlite> {
  pglite ??= PGlite.create()
  return pglite
}

export async function outside(name: DatabaseName, url: string, sqlite: Case['sqlite'] = 'better-sqlite3'): Promise<Outside> {
  const { bytes, ...database } = await OUTSIDE[name](url, sqlite)
  for (const statement of tables(bytes)) await database.run(statement)
  return database
}

/** The same, in a database of its own where a server has many. */
export async function fresh(name: DatabaseName, url: string, database: string): Promise<Outside> {
  if (name !== 'PostgreSQL' && name !== 'MariaDB') return outside(name, url)
  const server = await outside(name, url)
  await server.run(`DROP DATABASE IF EXISTS ${database}`)
  await server.run(`CREATE DATABASE ${database}`)
  await server.close()
  const at = new URL(url)
  at.pathname = `/${database}`
  return outside(name, at.href)
}

type Opened = Outside & { readonly bytes: string }
const idsOf = (rows: readonly unknown[]) => rows.map((row) => Number((row as { id: unknown }).id))
const select = (table: string) => `SELECT id FROM ${table} ORDER BY id`

const OUTSIDE: Readonly<Record<DatabaseName, (url: string, sqlite: Case['sqlite']) => Promise<Opened>>> = {
  async SQLite(_, sqlite) {
    const folder = mkdtempSync(join(tmpdir(), 'corebus-sql-'))
    const at = join(folder, 'test.db')
    const db = sqlite === 'node:sqlite' ? new DatabaseSync(at) : new Sqlite(at)
    db.exec('PRAGMA journal_mode = WAL')
    return {
      at,
      bytes: 'BLOB',
      run: async (statement) => db.exec(statement),
      ids: async (table) => idsOf(db.prepare(select(table)).all()),
      async close() {
        db.close()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  },
  async PostgreSQL(at) {
    const client = new pg.Client(at)
    await client.connect()
    return {
      at,
      bytes: 'BYTEA',
      run: (statement) => client.query(statement),
      ids: async (table) => idsOf((await client.query(select(table))).rows),
      close: () => client.end(),
    }
  },
  async PGlite() {
    const db = await shared()
    return {
      at: '',
      bytes: 'BYTEA',
      run: (statement) => db.query(statement),
      ids: async (table) => idsOf((await db.query(select(table))).rows),
      async close() {},
    }
  },
  async MariaDB(at) {
    const connection = await mysql.createConnection(at)
    return {
      at,
      bytes: 'BLOB',
      run: (statement) => connection.query(statement),
      ids: async (table) => idsOf((await connection.query<mysql.RowDataPacket[]>(select(table)))[0]),
      close: () => connection.end(),
    }
  },
}
