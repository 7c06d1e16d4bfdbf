import Sqlite from 'better-sqlite3'
import { drizzle as drizzleSqlite } from 'drizzle-orm/better-sqlite3'
import * as mysqlCore from 'drizzle-orm/mysql-core'
import { drizzle as drizzleMysql } from 'drizzle-orm/mysql2'
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres'
import * as pgCore from 'drizzle-orm/pg-core'
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite'
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js'
import * as sqliteCore from 'drizzle-orm/sqlite-core'
import knexOf, { type Knex } from 'knex'
import { CamelCasePlugin, type Dialect, Kysely, MysqlDialect, PGliteDialect, PostgresDialect, SqliteDialect } from 'kysely'
import { createPool } from 'mysql2'
import mysql from 'mysql2/promise'
import pg from 'pg'
import postgres from 'postgres'
import { shared } from '../databases.ts'
import { byHand, type Case, type DatabaseName, type Library } from './case.ts'

interface Tables {
  orders: { id: number }
}

function ofKysely(dialect: Dialect, close?: () => unknown): Library {
  const db = new Kysely<Tables>({ dialect, plugins: [new CamelCasePlugin()] })
  return {
    transaction: (work) =>
      db.transaction().execute((tx) => work({ tx, insertOrder: (id) => tx.insertInto('orders').values({ id }).execute() })),
    roots: { db },
    close: close ?? (() => db.destroy()),
  }
}

const KYSELY: Readonly<Record<DatabaseName, (at: string) => Promise<Library>>> = {
  SQLite: async (file) => ofKysely(new SqliteDialect({ database: new Sqlite(file) })),
  PostgreSQL: async (url) => ofKysely(new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) })),
  PGlite: async () => ofKysely(new PGliteDialect({ pglite: await shared() }), () => {}),
  MariaDB: async (url) => ofKysely(new MysqlDialect({ pool: createPool(url) })),
}

const controlled: Case = {
  library: 'Kysely, controlled',
  database: 'PostgreSQL',
  async open(url) {
    const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }) })
    return {
      async transaction(work) {
        const tx = await db.startTransaction().execute()
        try {
          await work({ tx, insertOrder: (id) => tx.insertInto('orders').values({ id }).execute() })
          await tx.commit().execute()
        } catch (thrown) {
          await tx.rollback().execute()
          throw thrown
        }
      },
      roots: { db },
      close: () => db.destroy(),
    }
  },
}

function ofKnex(config: Knex.Config): Library {
  const knex = knexOf(config)
  return {
    transaction: (work) => knex.transaction((tx) => work({ tx, insertOrder: (id) => tx('orders').insert({ id }) })),
    roots: { knex },
    close: () => knex.destroy(),
  }
}

const KNEX: Readonly<Partial<Record<DatabaseName, (at: string) => Knex.Config>>> = {
  SQLite: (filename) => ({ client: 'better-sqlite3', connection: { filename }, useNullAsDefault: true }),
  PostgreSQL: (connection) => ({ client: 'pg', connection }),
  MariaDB: (connection) => ({ client: 'mysql2', connection }),
}

const pgOrders = pgCore.pgTable('orders', { id: pgCore.integer('id').primaryKey() })
const mysqlOrders = mysqlCore.mysqlTable('orders', { id: mysqlCore.int('id').primaryKey() })
const sqliteOrders = sqliteCore.sqliteTable('orders', { id: sqliteCore.integer('id').primaryKey() })

const DRIZZLE: readonly Case[] = [
  {
    library: 'Drizzle (node-postgres)',
    database: 'PostgreSQL',
    async open(url) {
      const pool = new pg.Pool({ connectionString: url })
      const db = drizzlePg(pool)
      return {
        transaction: (work) => db.transaction((tx) => work({ tx, insertOrder: (id) => tx.insert(pgOrders).values({ id }) })),
        roots: { db },
        close: () => pool.end(),
      }
    },
  },
  {
    library: 'Drizzle (postgres-js)',
    database: 'PostgreSQL',
    async open(url) {
      const sql = postgres(url)
      const db = drizzlePostgresJs(sql)
      return {
        transaction: (work) => db.transaction((tx) => work({ tx, insertOrder: (id) => tx.insert(pgOrders).values({ id }) })),
        roots: { db },
        close: () => sql.end(),
      }
    },
  },
  {
    library: 'Drizzle (pglite)',
    database: 'PGlite',
    async open() {
      const db = drizzlePglite(await shared())
      return {
        transaction: (work) => db.transaction((tx) => work({ tx, insertOrder: (id) => tx.insert(pgOrders).values({ id }) })),
        roots: { db },
        close() {},
      }
    },
  },
  {
    library: 'Drizzle (mysql2)',
    database: 'MariaDB',
    async open(url) {
      const pool = mysql.createPool(url)
      const db = drizzleMysql(pool)
      return {
        transaction: (work) => db.transaction((tx) => work({ tx, insertOrder: (id) => tx.insert(mysqlOrders).values({ id }) })),
        roots: { db },
        close: () => pool.end(),
      }
    },
  },
  {
    library: 'Drizzle (better-sqlite3), BEGIN by hand',
    database: 'SQLite',
    async open(file) {
      const connection = new Sqlite(file)
      const db = drizzleSqlite(connection)
      return {
        transaction: (work) =>
          byHand(
            (statement) => connection.exec(statement),
            { tx: db, insertOrder: (id) => db.insert(sqliteOrders).values({ id }).run() },
            work,
          ),
        roots: { db },
        close: () => connection.close(),
      }
    },
  },
]

export const BUILDERS: readonly Case[] = [
  ...Object.entries(KYSELY).map(([database, open]) => ({ library: 'Kysely', database: database as DatabaseName, open })),
  controlled,
  ...Object.entries(KNEX).map(([database, config]) => ({
    library: 'Knex',
    database: database as DatabaseName,
    open: async (at: string) => ofKnex(config(at)),
  })),
  ...DRIZZLE,
]
