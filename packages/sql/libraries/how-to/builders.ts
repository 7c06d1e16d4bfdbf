import { createMessaging } from '@corebus/core'
import { drizzleSession, knexSession, kyselySession, migrate, prismaSession, sqlInbox, sqlOutbox } from '@corebus/sql'
import { PrismaPg } from '@prisma/adapter-pg'
import type { ExtractTablesWithRelations } from 'drizzle-orm'
import { drizzle, type NodePgTransaction } from 'drizzle-orm/node-postgres'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import knexOf, { type Knex } from 'knex'
import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'
import { prismaClient } from '../cases/prisma-client.ts'
import { CartCheckedOut, type Example, OrderPlaced } from './events.ts'

interface Tables {
  orders: { id: number }
}

export async function overKysely(url: string): Promise<Example> {
  // #region kysely
  const pool = new pg.Pool({ connectionString: url, max: 20 })
  pool.on('connect', (client) => client.on('error', (error) => console.error(error.message)))
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })

  const session = kyselySession(db)
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  const messaging = createMessaging<{ db: Transaction<Tables> }>({ service: 'orders-api', session, outbox, inbox })

  // The row, the event and the mark that the message was handled commit together.
  messaging.on(CartCheckedOut, { group: 'orders' }, async ({ data: { id } }, { db, emit }) => {
    emit(OrderPlaced, { id })
    await db.insertInto('orders').values({ id }).execute()
  })

  // The row and the event do, wherever it is called.
  const place = (id: number) =>
    messaging.session(async (tx) => {
      messaging.emit(OrderPlaced, { id })
      await tx.insertInto('orders').values({ id }).execute()
    })

  // The same in a transaction of your own.
  // #region kysely-tx
  const placeInMine = (id: number) =>
    db.transaction().execute(async (tx) => {
      await messaging.publishEvent(OrderPlaced, { id }, { tx })
      await tx.insertInto('orders').values({ id }).execute()
    })
  // #endregion kysely-tx
  // #endregion kysely
  return { messaging, database: session.database, place, placeInMine, close: () => db.destroy() }
}

export async function overDrizzle(url: string): Promise<Example> {
  // #region drizzle
  const orders = pgTable('orders', { id: integer('id').primaryKey() })
  const schema = { orders }
  type Tx = NodePgTransaction<typeof schema, ExtractTablesWithRelations<typeof schema>>
  const db = drizzle({ connection: { connectionString: url, max: 20 }, schema })

  const session = drizzleSession(db)
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  const messaging = createMessaging<{ db: Tx }>({ service: 'orders-api', session, outbox, inbox })

  // The row, the event and the mark that the message was handled commit together.
  messaging.on(CartCheckedOut, { group: 'orders' }, async ({ data: { id } }, { db, emit }) => {
    emit(OrderPlaced, { id })
    await db.insert(orders).values({ id })
  })

  // The row and the event do, wherever it is called.
  const place = (id: number) =>
    messaging.session(async (tx) => {
      messaging.emit(OrderPlaced, { id })
      await tx.insert(orders).values({ id })
    })

  // The same in a transaction of your own.
  const placeInMine = (id: number) =>
    db.transaction(async (tx) => {
      await messaging.publishEvent(OrderPlaced, { id }, { tx })
      await tx.insert(orders).values({ id })
    })
  // #endregion drizzle
  return { messaging, database: session.database, place, placeInMine, close: () => db.$client.end() }
}

export async function overPrisma(url: string): Promise<Example> {
  const PrismaClient = prismaClient('postgresql')
  // #region prisma
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 20 }) })
  type Tx = Parameters<Parameters<typeof prisma.$transaction>[0]>[0]

  const session = prismaSession(prisma, { dialect: 'postgres' })
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  const messaging = createMessaging<{ db: Tx }>({ service: 'orders-api', session, outbox, inbox })

  // The row, the event and the mark that the message was handled commit together.
  messaging.on(CartCheckedOut, { group: 'orders' }, async ({ data: { id } }, { db, emit }) => {
    emit(OrderPlaced, { id })
    await db.orders.create({ data: { id } })
  })

  // The row and the event do, wherever it is called.
  const place = (id: number) =>
    messaging.session(async (tx) => {
      messaging.emit(OrderPlaced, { id })
      await tx.orders.create({ data: { id } })
    })

  // The same in a transaction of your own.
  const placeInMine = (id: number) =>
    prisma.$transaction(async (tx) => {
      await messaging.publishEvent(OrderPlaced, { id }, { tx })
      await tx.orders.create({ data: { id } })
    })
  // #endregion prisma
  return { messaging, database: session.database, place, placeInMine, close: () => prisma.$disconnect() }
}

export async function overKnex(url: string): Promise<Example> {
  // #region knex
  const knex = knexOf({ client: 'pg', connection: url, pool: { max: 20 } })

  const session = knexSession(knex)
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  const messaging = createMessaging<{ db: Knex.Transaction }>({ service: 'orders-api', session, outbox, inbox })

  // The row, the event and the mark that the message was handled commit together.
  messaging.on(CartCheckedOut, { group: 'orders' }, async ({ data: { id } }, { db, emit }) => {
    emit(OrderPlaced, { id })
    await db('orders').insert({ id })
  })

  // The row and the event do, wherever it is called.
  const place = (id: number) =>
    messaging.session(async (tx) => {
      messaging.emit(OrderPlaced, { id })
      await tx('orders').insert({ id })
    })

  // The same in a transaction of your own.
  const placeInMine = (id: number) =>
    knex.transaction(async (tx) => {
      await messaging.publishEvent(OrderPlaced, { id }, { tx })
      await tx('orders').insert({ id })
    })
  // #endregion knex
  return { messaging, database: session.database, place, placeInMine, close: () => knex.destroy() }
}
