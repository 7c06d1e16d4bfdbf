import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { mysqlSession, pgSession, type SqlSessions, sqliteSession } from '@corebus/sql'
import { startMariadb, startPostgres } from '@corebus/testbed'
import mysql from 'mysql2/promise'
import pg from 'pg'

/** A database that an outbox is in. */
export interface Place {
  readonly name: string
  readonly session: SqlSessions<unknown>
  run(statement: string): Promise<unknown>
  /** Writes one row of the business, in a session's transaction. */
  insert(db: unknown, n: number): Promise<unknown>
  /** How many rows of the outbox there are. */
  rows(): Promise<number>
}

export interface Places {
  readonly sqlite: Place
  readonly postgres: Place
  readonly mariadb: Place
  /** Of PostgreSQL, for peers. */
  readonly url: string
  close(): Promise<void>
}

const CONNECTIONS = 20

/** A file in the folder, and servers of our own. */
export async function openPlaces(folder: string): Promise<Places> {
  const servers = [await startPostgres(), await startMariadb()]
  const [postgres, mariadb] = servers
  if (!postgres || !mariadb) throw new Error('PostgreSQL and MariaDB are needed: apt-get install postgresql mariadb-server')
  const database = new DatabaseSync(join(folder, 'business.db'))
  database.exec('PRAGMA journal_mode = WAL')
  const pool = new pg.Pool({ connectionString: postgres.url, max: CONNECTIONS })
  const connections = mysql.createPool({ uri: mariadb.url, connectionLimit: CONNECTIONS })
  return {
    sqlite: onSqlite(database),
    postgres: onPostgres(pool),
    mariadb: onMariadb(connections),
    url: postgres.url,
    async close() {
      database.close()
      await pool.end()
      await connections.end()
      for (const server of servers) await server?.stop()
    },
  }
}

const INSERT = 'INSERT INTO business (customer, total) VALUES'

/** As Node opens a file: every commit is on the disk. */
function onSqlite(database: DatabaseSync): Place {
  return {
    name: 'SQLite',
    session: sqliteSession(database) as SqlSessions<unknown>,
    run: async (statement) => database.exec(statement),
    insert: async (db, n) => (db as DatabaseSync).prepare(`${INSERT} (?, ?)`).run(`customer-${n}`, n),
    rows: async () => Number(database.prepare('SELECT count(*) AS n FROM outbox').get()?.n),
  }
}

function onPostgres(pool: pg.Pool): Place {
  return {
    name: 'PostgreSQL',
    session: pgSession(pool) as SqlSessions<unknown>,
    run: (statement) => pool.query(statement),
    insert: (db, n) => (db as pg.PoolClient).query(`${INSERT} ($1, $2)`, [`customer-${n}`, n]),
    rows: async () => (await pool.query('SELECT count(*)::int AS n FROM outbox')).rows[0].n,
  }
}

function onMariadb(pool: mysql.Pool): Place {
  return {
    name: 'MariaDB',
    session: mysqlSession(pool) as SqlSessions<unknown>,
    run: (statement) => pool.query(statement),
    insert: (db, n) => (db as mysql.PoolConnection).query(`${INSERT} (?, ?)`, [`customer-${n}`, n]),
    rows: async () => Number((await pool.query<mysql.RowDataPacket[]>('SELECT count(*) AS n FROM outbox'))[0][0]?.n),
  }
}

const KEY: Readonly<Record<string, string>> = {
  SQLite: 'INTEGER PRIMARY KEY',
  PostgreSQL: 'bigserial PRIMARY KEY',
  MariaDB: 'bigint AUTO_INCREMENT PRIMARY KEY',
}

/** An empty table of the business. */
export async function business({ name, run }: Place): Promise<void> {
  await run('DROP TABLE IF EXISTS business')
  await run(`CREATE TABLE business (id ${KEY[name]}, customer varchar(100) NOT NULL, total integer NOT NULL)`)
}
