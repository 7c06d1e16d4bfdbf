import { DatabaseSync } from 'node:sqlite'
import Sqlite from 'better-sqlite3'
import callbacks from 'mysql2'
import mysql from 'mysql2/promise'
import pg from 'pg'
import postgres from 'postgres'
import { shared } from '../databases.ts'
import { byHand, type Case, type Library } from './case.ts'

/** Both libraries of SQLite have one connection, and no transaction of their own that may wait for anything. */
function ofSqlite(db: DatabaseSync | Sqlite.Database): Library {
  return {
    transaction: (work) =>
      byHand((statement) => db.exec(statement), { tx: db, insertOrder: (id) => db.prepare('INSERT INTO orders VALUES (?)').run(id) }, work),
    roots: { connection: db },
    close: () => db.close(),
  }
}

export const DRIVERS: readonly Case[] = [
  {
    library: 'node:sqlite',
    database: 'SQLite',
    sqlite: 'node:sqlite',
    async open(file) {
      const db = new DatabaseSync(file)
      return ofSqlite(db)
    },
  },
  {
    library: 'better-sqlite3',
    database: 'SQLite',
    async open(file) {
      const db = new Sqlite(file)
      return ofSqlite(db)
    },
  },
  {
    library: 'pg',
    database: 'PostgreSQL',
    async open(url) {
      const pool = new pg.Pool({ connectionString: url, max: 3 })
      const idle = await pool.connect()
      return {
        async transaction(work) {
          const client = await pool.connect()
          const insertOrder = (id: number) => client.query('INSERT INTO orders VALUES ($1)', [id])
          await byHand((statement) => client.query(statement), { tx: client, insertOrder }, work).finally(() => client.release())
        },
        roots: { pool, client: idle },
        async close() {
          idle.release()
          await pool.end()
        },
      }
    },
  },
  {
    library: 'postgres.js',
    database: 'PostgreSQL',
    async open(url) {
      const sql = postgres(url, { max: 3, onnotice: () => {} })
      const reserved = await sql.reserve()
      return {
        async transaction(work) {
          await sql.begin((tx) => work({ tx, insertOrder: (id) => tx`INSERT INTO orders VALUES (${id})` }))
        },
        roots: { sql, reserved },
        async close() {
          reserved.release()
          await sql.end()
        },
      }
    },
  },
  {
    library: 'PGlite',
    database: 'PGlite',
    async open() {
      const db = await shared()
      return {
        transaction: (work) => db.transaction((tx) => work({ tx, insertOrder: (id) => tx.query('INSERT INTO orders VALUES ($1)', [id]) })),
        roots: { database: db },
        close() {},
      }
    },
  },
  {
    library: 'PGlite, BEGIN by hand',
    database: 'PGlite',
    async open() {
      const db = await shared()
      return {
        transaction: (work) =>
          byHand(
            (statement) => db.query(statement),
            { tx: db, insertOrder: (id) => db.query('INSERT INTO orders VALUES ($1)', [id]) },
            work,
          ),
        roots: {},
        close() {},
      }
    },
  },
  {
    library: 'mysql2',
    database: 'MariaDB',
    async open(url) {
      const pool = mysql.createPool(url)
      const idle = await pool.getConnection()
      return {
        async transaction(work) {
          const connection = await pool.getConnection()
          const insertOrder = (id: number) => connection.query('INSERT INTO orders VALUES (?)', [id])
          await byHand((statement) => connection.query(statement), { tx: connection, insertOrder }, work).finally(() =>
            connection.release(),
          )
        },
        roots: { pool, connection: idle },
        async close() {
          idle.release()
          await pool.end()
        },
      }
    },
  },
  {
    library: 'mysql2 with callbacks, set up to give rows as arrays',
    database: 'MariaDB',
    async open(url) {
      const pool = callbacks.createPool({ uri: url, rowsAsArray: true })
      const connections: callbacks.Connection[] = []
      return {
        async transaction(work) {
          const connection = callbacks.createConnection({ uri: url, rowsAsArray: true })
          connections.push(connection)
          const query = (statement: string, values: unknown[] = []) =>
            new Promise((resolve, reject) =>
              connection.query(statement, values, (error, answer) => (error ? reject(error) : resolve(answer))),
            )
          await byHand(query, { tx: connection, insertOrder: (id) => query('INSERT INTO orders VALUES (?)', [id]) }, work)
        },
        roots: { pool },
        close() {
          for (const connection of connections) connection.destroy()
          pool.end(() => {})
        },
      }
    },
  },
]
