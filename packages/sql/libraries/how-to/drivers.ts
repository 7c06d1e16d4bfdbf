import { createMessaging } from '@corebus/core'
import {
  betterSqliteSession,
  migrate,
  mysqlSession,
  pgliteSession,
  pgSession,
  postgresSession,
  serialised,
  sqlInbox,
  sqlOutbox,
} from '@corebus/sql'
import type { PGlite, Transaction as PGliteTransaction } from '@electric-sql/pglite'
import Sqlite from 'better-sqlite3'
import mysql from 'mysql2/promise'
import pg from 'pg'
import postgres from 'postgres'
import { CartCheckedOut, type Example, OrderPlaced } from './events.ts'

export async function overPg(url: string): Promise<Example> {
  // #region pg
  const pool = new pg.Pool({ connectionString: url, max: 20 })
  pool.on('error', (error) => console.error(error.message)) // a client that was idle has lost its connection

  const session = pgSession(pool)
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  const messaging = createMessaging<{ db: pg.PoolClient }>({ service: 'orders-api', session, outbox, inbox })

  // The row, the event and the mark that the message was handled commit together.
  messaging.on(CartCheckedOut, { group: 'orders' }, async ({ data: { id } }, { db, emit }) => {
    emit(OrderPlaced, { id })
    await db.query('INSERT INTO orders (id) VALUES ($1)', [id])
  })

  // The row and the event do, wherever it is called.
  const place = (id: number) =>
    messaging.session(async (tx) => {
      messaging.emit(OrderPlaced, { id })
      await tx.query('INSERT INTO orders (id) VALUES ($1)', [id])
    })

  // The same in a transaction of your own.
  const placeInMine = async (id: number) => {
    const tx = await pool.connect()
    try {
      await tx.query('BEGIN')
      await messaging.publishEvent(OrderPlaced, { id }, { tx })
      await tx.query('INSERT INTO orders (id) VALUES ($1)', [id])
      await tx.query('COMMIT')
    } catch (error) {
      await tx.query('ROLLBACK')
      throw error
    } finally {
      tx.release()
    }
  }
  // #endregion pg
  return { messaging, database: session.database, place, placeInMine, close: () => pool.end() }
}

export async function overPostgresJs(url: string): Promise<Example> {
  // #region postgres-js
  const sql = postgres(url, { max: 20 })

  const session = postgresSession(sql)
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  const messaging = createMessaging<{ db: postgres.TransactionSql }>({ service: 'orders-api', session, outbox, inbox })

  // The row, the event and the mark that the message was handled commit together.
  messaging.on(CartCheckedOut, { group: 'orders' }, async ({ data: { id } }, { db, emit }) => {
    emit(OrderPlaced, { id })
    await db`INSERT INTO orders (id) VALUES (${id})`
  })

  // The row and the event do, wherever it is called.
  const place = (id: number) =>
    messaging.session(async (tx) => {
      messaging.emit(OrderPlaced, { id })
      await tx`INSERT INTO orders (id) VALUES (${id})`
    })

  // The same in a transaction of your own.
  const placeInMine = (id: number) =>
    sql.begin(async (tx) => {
      await messaging.publishEvent(OrderPlaced, { id }, { tx })
      await tx`INSERT INTO orders (id) VALUES (${id})`
    })
  // #endregion postgres-js
  return { messaging, database: session.database, place, placeInMine, close: () => sql.end() }
}

export async function overMysql(url: string): Promise<Example> {
  // #region mysql2
  const pool = mysql.createPool({ uri: url, connectionLimit: 20 })

  const session = mysqlSession(pool)
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  const messaging = createMessaging<{ db: mysql.PoolConnection }>({ service: 'orders-api', session, outbox, inbox })

  // The row, the event and the mark that the message was handled commit together.
  messaging.on(CartCheckedOut, { group: 'orders' }, async ({ data: { id } }, { db, emit }) => {
    emit(OrderPlaced, { id })
    await db.query('INSERT INTO orders (id) VALUES (?)', [id])
  })

  // The row and the event do, wherever it is called.
  const place = (id: number) =>
    messaging.session(async (tx) => {
      messaging.emit(OrderPlaced, { id })
      await tx.query('INSERT INTO orders (id) VALUES (?)', [id])
    })

  // The same in a transaction of your own.
  const placeInMine = async (id: number) => {
    const tx = await pool.getConnection()
    try {
      await tx.beginTransaction()
      await messaging.publishEvent(OrderPlaced, { id }, { tx })
      await tx.query('INSERT INTO orders (id) VALUES (?)', [id])
      await tx.commit()
    } catch (error) {
      await tx.rollback()
      throw error
    } finally {
      tx.release()
    }
  }
  // #endregion mysql2
  return { messaging, database: session.database, place, placeInMine, close: () => pool.end() }
}

export async function overBetterSqlite(file: string): Promise<Example> {
  // #region better-sqlite3
  const database = new Sqlite(file)
  database.pragma('journal_mode = WAL')

  const session = betterSqliteSession(database)
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  const messaging = createMessaging<{ db: Sqlite.Database }>({ service: 'orders-api', session, outbox, inbox })

  // The row, the event and the mark that the message was handled commit together.
  messaging.on(CartCheckedOut, { group: 'orders' }, ({ data: { id } }, { db, emit }) => {
    emit(OrderPlaced, { id })
    db.prepare('INSERT INTO orders (id) VALUES (?)').run(id)
  })

  // The row and the event do, wherever it is called.
  const place = (id: number) =>
    messaging.session(async (tx) => {
      messaging.emit(OrderPlaced, { id })
      tx.prepare('INSERT INTO orders (id) VALUES (?)').run(id)
    })

  // The same in a transaction of your own, which takes its turn with the sessions of the file.
  const transaction = serialised<Sqlite.Database>(file, async (work) => {
    database.exec('BEGIN IMMEDIATE')
    try {
      const result = await work(database)
      database.exec('COMMIT')
      return result
    } catch (error) {
      database.exec('ROLLBACK')
      throw error
    }
  })
  const placeInMine = (id: number) =>
    transaction(async (tx) => {
      await messaging.publishEvent(OrderPlaced, { id }, { tx })
      tx.prepare('INSERT INTO orders (id) VALUES (?)').run(id)
    })
  // #endregion better-sqlite3
  return { messaging, database: session.database, place, placeInMine, close: () => database.close() }
}

export async function overPGlite(pglite: PGlite): Promise<Example> {
  // #region pglite
  const session = pgliteSession(pglite)
  const outbox = sqlOutbox()
  const inbox = sqlInbox()
  await migrate(session, [outbox, inbox])
  const messaging = createMessaging<{ db: PGliteTransaction }>({ service: 'orders-api', session, outbox, inbox })

  // The row, the event and the mark that the message was handled commit together.
  messaging.on(CartCheckedOut, { group: 'orders' }, async ({ data: { id } }, { db, emit }) => {
    emit(OrderPlaced, { id })
    await db.query('INSERT INTO orders (id) VALUES ($1)', [id])
  })

  // The row and the event do, wherever it is called.
  const place = (id: number) =>
    messaging.session(async (tx) => {
      messaging.emit(OrderPlaced, { id })
      await tx.query('INSERT INTO orders (id) VALUES ($1)', [id])
    })

  // The same in a transaction of your own.
  const placeInMine = (id: number) =>
    pglite.transaction(async (tx) => {
      await messaging.publishEvent(OrderPlaced, { id }, { tx })
      await tx.query('INSERT INTO orders (id) VALUES ($1)', [id])
    })
  // #endregion pglite
  return { messaging, database: session.database, place, placeInMine, close() {} }
}
