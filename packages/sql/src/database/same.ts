import { CorebusError } from '@corebus/core'
import { sql } from 'kysely'
import type { Dialect } from '../tx/sql-tx.ts'
import type { SqlDatabase } from './database.ts'
import { databaseOf } from './for.ts'
import { builder } from './statements.ts'

/** Statements that answer the same on two connections to one table, with the table's name as their parameter. What any user may ask. */
const WHICH: Readonly<Record<Dialect, string>> = {
  // The number of the table tells schemas apart, where connections differ in their search_path.
  postgres:
    "SELECT CAST((SELECT system_identifier FROM pg_control_system()) AS text) || ' ' || current_database() || ' ' || coalesce(CAST(CAST(to_regclass(?) AS oid) AS text), '-') AS which",
  // Servers of one cluster have names of their own, so the server is not asked for its.
  mysql: "SELECT CASE WHEN ? LIKE '%.%' THEN '' ELSE DATABASE() END AS which",
  sqlite: "SELECT file AS which, ? AS name FROM pragma_database_list WHERE name = 'main'",
}

/**
 * Checks that a database which was given beside the instance's sessions is theirs: rows that a session writes in another one would lie there for ever.
 * Two servers of MySQL with a database of one name are not told apart, nor databases in memory.
 * @throws CorebusError SQL_DATABASE
 */
export async function checkSame(what: string, table: string, database: SqlDatabase, session: unknown): Promise<void> {
  const ofSessions = databaseOf(session)
  if (!ofSessions || ofSessions === database) return
  const apart = (): never => {
    throw new CorebusError(
      'SQL_DATABASE',
      `${what} has the database ${database.where}, and the sessions write into another one, ${ofSessions.where}: what is written there would never leave. Leave out { database }, or give the instance sessions of the same database and schema`,
    )
  }
  if (ofSessions.dialect !== database.dialect) apart()
  const [one, other] = await Promise.all([which(database, table), which(ofSessions, table)])
  if (one !== '' && other !== '' && one !== other) apart()
}

/** An empty text where it cannot be known. */
async function which({ dialect, read }: SqlDatabase, table: string): Promise<string> {
  const name = dialect === 'postgres' ? sql.table(table).compile(builder(dialect)).sql : table
  try {
    const { rows } = await read((tx) => tx.query(WHICH[dialect], [name]))
    return String(rows[0]?.which ?? '')
  } catch {
    return ''
  }
}
