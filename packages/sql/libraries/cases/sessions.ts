import 'reflect-metadata'
import { DatabaseSync } from 'node:sqlite'
import {
  betterSqliteSession,
  drizzleSession,
  knexSession,
  kyselySession,
  mikroOrmSession,
  mysqlSession,
  pgliteSession,
  pgSession,
  postgresSession,
  prismaSession,
  sqliteSession,
  typeormSession,
} from '@corebus/sql'
import { EntitySchema, MikroORM, type Options } from '@mikro-orm/core'
import { MySqlDriver } from '@mikro-orm/mysql'
import { PostgreSqlDriver } from '@mikro-orm/postgresql'
import { NodeSqliteDialect, SqliteDriver } from '@mikro-orm/sql'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import { PrismaPg } from '@prisma/adapter-pg'
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
import { type Dialect, Kysely, MysqlDialect, PGliteDialect, PostgresDialect, SqliteDialect } from 'kysely'
import { createPool } from 'mysql2'
import mysql from 'mysql2/promise'
import pg from 'pg'
import postgres from 'postgres'
import { DataSource, type DataSourceOptions, EntitySchema as TypeormSchema } from 'typeorm'
import { shared } from '../databases.ts'
import type { DatabaseName } from './case.ts'
import { prismaClient } from './prisma-client.ts'
import { opened, type SessionCase } from './session-case.ts'

const CLIENTS: readonly SessionCase[] = [
  {
    library: 'sqliteSession',
    database: 'SQLite',
    sqlite: 'node:sqlite',
    async open(file) {
      const db = new DatabaseSync(file)
      return opened(
        sqliteSession(db),
        (tx, id) => tx.prepare('INSERT INTO orders VALUES (?)').run(id),
        () => db.close(),
      )
    },
  },
  {
    library: 'betterSqliteSession',
    database: 'SQLite',
    async open(file) {
      const db = new Sqlite(file)
      return opened(
        betterSqliteSession(db),
        (tx, id) => tx.prepare('INSERT INTO orders VALUES (?)').run(id),
        () => db.close(),
      )
    },
  },
  {
    library: 'pgSession',
    database: 'PostgreSQL',
    async open(url, options) {
      const pool = new pg.Pool({ connectionString: url })
      return opened(
        pgSession(pool, options),
        (tx, id) => tx.query('INSERT INTO orders VALUES ($1)', [id]),
        () => pool.end(),
      )
    },
  },
  {
    library: 'postgresSession',
    database: 'PostgreSQL',
    async open(url, options) {
      const sql = postgres(url, { onnotice: () => {} })
      return opened(
        postgresSession(sql, options),
        (tx, id) => tx`INSERT INTO orders VALUES (${id})`,
        () => sql.end(),
      )
    },
  },
  {
    library: 'pgliteSession',
    database: 'PGlite',
    async open(_, options) {
      return opened(pgliteSession(await shared(), options), (tx, id) => tx.query('INSERT INTO orders VALUES ($1)', [id]))
    },
  },
  {
    library: 'mysqlSession',
    database: 'MariaDB',
    async open(url, options) {
      const pool = mysql.createPool(url)
      return opened(
        mysqlSession(pool, options),
        (tx, id) => tx.query('INSERT INTO orders VALUES (?)', [id]),
        () => pool.end(),
      )
    },
  },
]

interface Tables {
  orders: { id: number }
}

/** Without the listener a connection that is lost in a transaction of Kysely ends the process. */
function survivingPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url })
  return pool.on('connect', (client) => client.on('error', () => {}))
}

const KYSELY: Readonly<Record<DatabaseName, (at: string) => Promise<Dialect>>> = {
  SQLite: async (file) => new SqliteDialect({ database: new Sqlite(file) }),
  PostgreSQL: async (url) => new PostgresDialect({ pool: survivingPool(url) }),
  PGlite: async () => new PGliteDialect({ pglite: await shared() }),
  MariaDB: async (url) => new MysqlDialect({ pool: createPool(url) }),
}

const kysely = Object.entries(KYSELY).map(
  ([database, dialect]): SessionCase => ({
    library: 'kyselySession',
    database: database as DatabaseName,
    async open(at, options) {
      const db = new Kysely<Tables>({ dialect: await dialect(at) })
      return opened(
        kyselySession(db, options),
        (tx, id) => tx.insertInto('orders').values({ id }).execute(),
        () => (database === 'PGlite' ? undefined : db.destroy()),
      )
    },
  }),
)

const KNEX: Readonly<Partial<Record<DatabaseName, (at: string) => Knex.Config>>> = {
  SQLite: (filename) => ({ client: 'better-sqlite3', connection: { filename }, useNullAsDefault: true }),
  PostgreSQL: (connection) => ({ client: 'pg', connection }),
  MariaDB: (connection) => ({ client: 'mysql2', connection }),
}

const knex = Object.entries(KNEX).map(
  ([database, config]): SessionCase => ({
    library: 'knexSession',
    database: database as DatabaseName,
    async open(at, options) {
      const db = knexOf(config(at))
      return opened(
        knexSession(db, options),
        (tx, id) => tx('orders').insert({ id }),
        () => db.destroy(),
      )
    },
  }),
)

const pgOrders = pgCore.pgTable('orders', { id: pgCore.integer('id').primaryKey() })
const mysqlOrders = mysqlCore.mysqlTable('orders', { id: mysqlCore.int('id').primaryKey() })
const sqliteOrders = sqliteCore.sqliteTable('orders', { id: sqliteCore.integer('id').primaryKey() })

const DRIZZLE: readonly SessionCase[] = [
  {
    library: 'drizzleSession (node-postgres)',
    database: 'PostgreSQL',
    async open(url, options) {
      const pool = new pg.Pool({ connectionString: url })
      return opened(
        drizzleSession(drizzlePg(pool), options),
        (tx, id) => tx.insert(pgOrders).values({ id }),
        () => pool.end(),
      )
    },
  },
  {
    library: 'drizzleSession (postgres-js)',
    database: 'PostgreSQL',
    async open(url, options) {
      const sql = postgres(url, { onnotice: () => {} })
      return opened(
        drizzleSession(drizzlePostgresJs(sql), options),
        (tx, id) => tx.insert(pgOrders).values({ id }),
        () => sql.end(),
      )
    },
  },
  {
    library: 'drizzleSession (pglite)',
    database: 'PGlite',
    async open(_, options) {
      return opened(drizzleSession(drizzlePglite(await shared()), options), (tx, id) => tx.insert(pgOrders).values({ id }))
    },
  },
  {
    library: 'drizzleSession (mysql2)',
    database: 'MariaDB',
    async open(url, options) {
      const pool = mysql.createPool(url)
      return opened(
        drizzleSession(drizzleMysql(pool), options),
        (tx, id) => tx.insert(mysqlOrders).values({ id }),
        () => pool.end(),
      )
    },
  },
  {
    library: 'drizzleSession (better-sqlite3)',
    database: 'SQLite',
    async open(file, options) {
      const connection = new Sqlite(file)
      return opened(
        drizzleSession(drizzleSqlite(connection), options),
        (tx, id) => tx.insert(sqliteOrders).values({ id }).run(),
        () => connection.close(),
      )
    },
  },
]

type Servers = Exclude<DatabaseName, 'PGlite'>
const TypeormOrder = new TypeormSchema<{ id: number }>({ name: 'orders', columns: { id: { type: 'integer', primary: true } } })

const TYPEORM: Readonly<Record<Servers, (at: string) => DataSourceOptions>> = {
  SQLite: (database) => ({ type: 'better-sqlite3', database, entities: [TypeormOrder] }),
  PostgreSQL: (url) => ({ type: 'postgres', url, entities: [TypeormOrder] }),
  MariaDB: (url) => ({ type: 'mysql', url, entities: [TypeormOrder] }),
}

const typeorm = Object.entries(TYPEORM).map(
  ([database, source]): SessionCase => ({
    library: 'typeormSession',
    database: database as DatabaseName,
    async open(at, options) {
      const dataSource = await new DataSource(source(at)).initialize()
      return opened(
        typeormSession(dataSource, options),
        (tx, id) => tx.insert(TypeormOrder, { id }),
        () => dataSource.destroy(),
      )
    },
  }),
)

const MikroOrder = new EntitySchema<{ id: number }>({ name: 'orders', properties: { id: { type: 'number', primary: true } } })

const MIKRO_ORM: Readonly<Record<Servers, (at: string) => object>> = {
  SQLite: (dbName) => ({ driver: SqliteDriver, dbName, driverOptions: new NodeSqliteDialect(dbName) }),
  PostgreSQL: (clientUrl) => ({ driver: PostgreSqlDriver, clientUrl }),
  MariaDB: (clientUrl) => ({ driver: MySqlDriver, clientUrl }),
}

const mikroOrm = Object.entries(MIKRO_ORM).map(
  ([database, config]): SessionCase => ({
    library: 'mikroOrmSession',
    database: database as DatabaseName,
    sqlite: 'node:sqlite',
    async open(at, options) {
      const orm = await MikroORM.init({ ...config(at), entities: [MikroOrder] } as Options) // each driver has options of its own type
      return opened(
        mikroOrmSession(orm, options),
        (tx, id) => tx.insert(MikroOrder, { id }),
        () => orm.close(),
      )
    },
  }),
)

const PRISMA: Readonly<Record<Servers, (at: string) => [client: ReturnType<typeof prismaClient>, adapter: object]>> = {
  SQLite: (file) => [prismaClient('sqlite'), new PrismaBetterSqlite3({ url: `file:${file}` })],
  PostgreSQL: (url) => [prismaClient('postgresql'), new PrismaPg({ connectionString: url })],
  MariaDB: (url) => [prismaClient('mysql'), new PrismaMariaDb(url.replace('mysql:', 'mariadb:'))],
}
const PRISMA_DIALECTS = { SQLite: 'sqlite', PostgreSQL: 'postgres', MariaDB: 'mysql' } as const

const prisma = Object.entries(PRISMA).map(
  ([database, made]): SessionCase => ({
    library: 'prismaSession',
    database: database as DatabaseName,
    async open(at, options) {
      const [Client, adapter] = made(at)
      const client = new Client({ adapter })
      return opened(
        prismaSession(client, { ...options, dialect: PRISMA_DIALECTS[database as Servers] }),
        (tx, id) => tx.orders.create({ data: { id } }),
        () => client.$disconnect(),
      )
    },
  }),
)

export const SESSION_CASES: readonly SessionCase[] = [...CLIENTS, ...kysely, ...knex, ...DRIZZLE, ...typeorm, ...mikroOrm, ...prisma].sort(
  (a, b) => a.database.localeCompare(b.database),
)
