import { onTestFinished } from 'vitest'
import type { SqlDatabase } from '../src/database/database.ts'
import { ofMysqlPool } from '../src/database/mysql2.ts'
import { ofPgPool } from '../src/database/pg.ts'

/** A pool of the test's own. */
export async function openPg(url: string, options: { readonly application_name?: string } = {}): Promise<SqlDatabase> {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({ connectionString: url, ...options })
  // What is lost while it lies idle.
  pool.on('error', () => {})
  // Its line may be gone by then.
  onTestFinished(() => pool.end().catch(() => undefined))
  return ofPgPool(pool, 'a PostgreSQL of the tests')
}

export async function openMysql(url: string): Promise<SqlDatabase> {
  const { default: mysql } = await import('mysql2/promise')
  const pool = mysql.createPool(url)
  onTestFinished(() => pool.end().catch(() => undefined))
  return ofMysqlPool(pool, 'a MariaDB of the tests')
}
