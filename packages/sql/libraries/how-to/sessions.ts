import 'reflect-metadata'
import { createMessaging, type Messaging } from '@corebus/core'
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
  typeormSession,
} from '@corebus/sql'
import type { PGlite, Transaction as PGliteTransaction } from '@electric-sql/pglite'
import { EntitySchema } from '@mikro-orm/core'
import { type EntityManager as MikroManager, MikroORM } from '@mikro-orm/postgresql'
import { PrismaPg } from '@prisma/adapter-pg'
import Sqlite from 'better-sqlite3'
import type { ExtractTablesWithRelations } from 'drizzle-orm'
import { drizzle, type NodePgTransaction } from 'drizzle-orm/node-postgres'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import knexOf, { type Knex } from 'knex'
import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import mysql from 'mysql2/promise'
import pg from 'pg'
import postgres from 'postgres'
import { DataSource, type EntityManager, EntitySchema as TypeormSchema } from 'typeorm'
import { prismaClient } from '../cases/prisma-client.ts'

interface Placed {
  readonly id: number
}
interface Example {
  readonly messaging: Messaging
  close(): unknown
}

interface Tables {
  orders: { id: number }
}

export async function overKysely(url: string): Promise<Example> {
  // #region kysely
  const pool = new pg.Pool({ connectionString: url })
  pool.on('connect', (client) => client.on('error', (error) => console.error(error.message)))
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })

  const messaging = createMessaging<{ db: Transaction<Tables> }>({ broker: 'memory', service: 'billing', session: kyselySession(db) })
  messaging.handle({ topic: 'orders' }, async (order: Placed, { db }) => {
    await db.insertInto('orders').values({ id: order.id }).execute()
  })
  // #endregion kysely
  return { messaging, close: () => db.destroy() }
}

export async function overDrizzle(url: string): Promise<Example> {
  // #region drizzle
  const orders = pgTable('orders', { id: integer('id').primaryKey() })
  const schema = { orders }
  type Tx = NodePgTransaction<typeof schema, ExtractTablesWithRelations<typeof schema>>
  const db = drizzle(url, { schema })

  const messaging = createMessaging<{ db: Tx }>({ broker: 'memory', service: 'billing', session: drizzleSession(db) })
  messaging.handle({ topic: 'orders' }, async (order: Placed, { db }) => {
    await db.insert(orders).values({ id: order.id })
  })
  // #endregion drizzle
  return { messaging, close: () => db.$client.end() }
}

export async function overPrisma(url: string): Promise<Example> {
  const PrismaClient = prismaClient('postgresql')
  // #region prisma
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) })
  type Tx = Parameters<Parameters<typeof prisma.$transaction>[0]>[0]

  const session = prismaSession(prisma, { dialect: 'postgres' })
  const messaging = createMessaging<{ db: Tx }>({ broker: 'memory', service: 'billing', session })
  messaging.handle({ topic: 'orders' }, async (order: Placed, { db }) => {
    await db.orders.create({ data: { id: order.id } })
  })
  // #endregion prisma
  return { messaging, close: () => prisma.$disconnect() }
}

export async function overPg(url: string): Promise<Example> {
  // #region pg
  const pool = new pg.Pool({ connectionString: url })

  const messaging = createMessaging<{ db: pg.PoolClient }>({ broker: 'memory', service: 'billing', session: pgSession(pool) })
  messaging.handle({ topic: 'orders' }, async (order: Placed, { db }) => {
    await db.query('INSERT INTO orders (id) VALUES ($1)', [order.id])
  })
  // #endregion pg
  return { messaging, close: () => pool.end() }
}

export async function overPostgresJs(url: string): Promise<Example> {
  // #region postgres-js
  const sql = postgres(url)

  const messaging = createMessaging<{ db: postgres.TransactionSql }>({
    broker: 'memory',
    service: 'billing',
    session: postgresSession(sql),
  })
  messaging.handle({ topic: 'orders' }, async (order: Placed, { db }) => {
    await db`INSERT INTO orders (id) VALUES (${order.id})`
  })
  // #endregion postgres-js
  return { messaging, close: () => sql.end() }
}

export async function overKnex(url: string): Promise<Example> {
  // #region knex
  const knex = knexOf({ client: 'pg', connection: url })

  const messaging = createMessaging<{ db: Knex.Transaction }>({ broker: 'memory', service: 'billing', session: knexSession(knex) })
  messaging.handle({ topic: 'orders' }, async (order: Placed, { db }) => {
    await db('orders').insert({ id: order.id })
  })
  // #endregion knex
  return { messaging, close: () => knex.destroy() }
}

export async function overTypeorm(url: string): Promise<Example> {
  const Order = new TypeormSchema<Placed>({ name: 'orders', columns: { id: { type: 'integer', primary: true } } })
  // #region typeorm
  const dataSource = await new DataSource({ type: 'postgres', url, entities: [Order] }).initialize()

  const messaging = createMessaging<{ db: EntityManager }>({ broker: 'memory', service: 'billing', session: typeormSession(dataSource) })
  messaging.handle({ topic: 'orders' }, async (order: Placed, { db }) => {
    await db.insert(Order, { id: order.id })
  })
  // #endregion typeorm
  return { messaging, close: () => dataSource.destroy() }
}

export async function overMikroOrm(url: string): Promise<Example> {
  const Order = new EntitySchema<{ id: number }>({ name: 'orders', properties: { id: { type: 'number', primary: true } } })
  // #region mikro-orm
  const orm = await MikroORM.init({ clientUrl: url, entities: [Order] })

  const messaging = createMessaging<{ db: MikroManager }>({ broker: 'memory', service: 'billing', session: mikroOrmSession(orm) })
  messaging.handle({ topic: 'orders' }, async (order: Placed, { db }) => {
    db.persist(db.create(Order, { id: order.id })) // flushed before the commit
  })
  // #endregion mikro-orm
  return { messaging, close: () => orm.close() }
}

export async function overMysql(url: string): Promise<Example> {
  // #region mysql2
  const pool = mysql.createPool(url)

  const messaging = createMessaging<{ db: mysql.PoolConnection }>({ broker: 'memory', service: 'billing', session: mysqlSession(pool) })
  messaging.handle({ topic: 'orders' }, async (order: Placed, { db }) => {
    await db.query('INSERT INTO orders (id) VALUES (?)', [order.id])
  })
  // #endregion mysql2
  return { messaging, close: () => pool.end() }
}

export async function overBetterSqlite(file: string): Promise<Example> {
  // #region better-sqlite3
  const database = new Sqlite(file)
  database.pragma('journal_mode = WAL')

  const messaging = createMessaging<{ db: Sqlite.Database }>({
    broker: 'memory',
    service: 'billing',
    session: betterSqliteSession(database),
  })
  messaging.handle({ topic: 'orders' }, (order: Placed, { db }) => {
    db.prepare('INSERT INTO orders (id) VALUES (?)').run(order.id)
  })
  // #endregion better-sqlite3
  return { messaging, close: () => database.close() }
}

export async function overPGlite(pglite: PGlite): Promise<Example> {
  // #region pglite
  const messaging = createMessaging<{ db: PGliteTransaction }>({ broker: 'memory', service: 'billing', session: pgliteSession(pglite) })
  messaging.handle({ topic: 'orders' }, async (order: Placed, { db }) => {
    await db.query('INSERT INTO orders (id) VALUES ($1)', [order.id])
  })
  // #endregion pglite
  return { messaging, close() {} }
}
