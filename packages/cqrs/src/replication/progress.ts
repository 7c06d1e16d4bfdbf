import type { SqlTx } from '@corebus/sql'
import { sql } from 'kysely'
import { run } from './statement.ts'

/** The place where a command stood when it ended, so that the next one goes on there. */
export async function readProgress(tx: SqlTx, table: string, name: string): Promise<string | undefined> {
  const { rows } = await run(tx, sql`SELECT k AS k FROM ${sql.table(table)} WHERE name = ${name}`)
  return rows[0] && String(rows[0].k)
}

/** Undefined: it is through. */
export async function writeProgress(tx: SqlTx, table: string, name: string, key: string | undefined): Promise<void> {
  if (key === undefined) return void (await run(tx, sql`DELETE FROM ${sql.table(table)} WHERE name = ${name}`))
  const insert = sql`INSERT INTO ${sql.table(table)} (name, k) VALUES (${name}, ${key})`
  // In one statement: of two commands at once, the second would find the row that the first has made since it deleted it.
  await run(
    tx,
    tx.dialect === 'mysql'
      ? sql`${insert} ON DUPLICATE KEY UPDATE k = VALUES(k)`
      : sql`${insert} ON CONFLICT (name) DO UPDATE SET k = excluded.k`,
  )
}
