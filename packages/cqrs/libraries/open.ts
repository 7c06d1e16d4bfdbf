import { mysqlSession, pgliteSession, pgSession, type SqlSessions } from '@corebus/sql'
import { PGlite } from '@electric-sql/pglite'
import { MongoClient } from 'mongodb'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { mongoDocuments } from '../src/documents/mongo.ts'
import type { DocumentStore } from '../src/documents/store.ts'

/** A thing that a file of tests has open until its end. */
export interface Opened<T> {
  readonly value: T
  close(): Promise<void>
}

export async function openPostgres(url: string): Promise<Opened<SqlSessions<unknown>>> {
  const pool = new pg.Pool({ connectionString: url, max: 12 })
  return { value: pgSession(pool) as unknown as SqlSessions<unknown>, close: () => pool.end() }
}

export async function openPglite(): Promise<Opened<SqlSessions<unknown>>> {
  const db = await PGlite.create()
  return { value: pgliteSession(db) as unknown as SqlSessions<unknown>, close: () => db.close() }
}

export async function openMariadb(url: string): Promise<Opened<SqlSessions<unknown>>> {
  const pool = mysql.createPool({ uri: url, connectionLimit: 12 })
  return { value: mysqlSession(pool) as unknown as SqlSessions<unknown>, close: () => pool.end() }
}

export async function openMongo(url: string): Promise<Opened<DocumentStore>> {
  const client = new MongoClient(url)
  await client.connect()
  const db = client.db(`corebus_${process.pid}`)
  return {
    value: mongoDocuments(db),
    async close() {
      await db.dropDatabase()
      await client.close()
    },
  }
}
