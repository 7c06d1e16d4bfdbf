import { CorebusError } from '@corebus/core'
import { isMissingTable } from '../tx/database-errors.ts'
import type { Dialect, SqlTx } from '../tx/sql-tx.ts'
import type { SqlDatabase } from './database.ts'
import { type DatabaseLike, databaseFor } from './for.ts'
import { quoted } from './table.ts'

/** The tables of one feature, such as the outbox. */
export interface Feature {
  /** Its name in `corebus_schema`: the name of its first table, so that two of them in one database do not meet. */
  readonly name: string
  readonly version: number
  /** Statements that make what is missing, each of which may be run again. None is run inside of a transaction on MySQL, which has no transactional DDL. */
  ddl(dialect: Dialect): readonly string[]
}

/** It says which version of each feature's tables is there. It lies beside them: `app.corebus_schema` for `app.outbox`, wherever a connection looks for names without a schema. */
export const SCHEMA_TABLE = 'corebus_schema'

const NAME: Readonly<Record<Dialect, string>> = {
  postgres: 'text',
  mysql: 'varchar(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
  sqlite: 'text',
}

function versions(dialect: Dialect, { name }: Feature): string {
  const [schema, table] = name.split('.')
  return table === undefined ? SCHEMA_TABLE : quoted(dialect, `${schema}.${SCHEMA_TABLE}`)
}

/** A feature, or what has one: an outbox, an inbox, leases, schedules. */
export type Part = Feature | { readonly feature: Feature }

/**
 * Makes the tables of the parts where they are missing, in the database of the sessions. Safe to call in every process at every start, also by several at
 * once. Needs a user of the database who may make tables; `ddl` gives the statements for migrations that somebody else runs.
 * @throws CorebusError OPTION, SQL_DATABASE; SCHEMA for tables that another release made; and what the database says
 * @example
 * await migrate(sessions, [outbox, inbox])
 */
export async function migrate(where: DatabaseLike, parts: readonly Part[]): Promise<void> {
  const database = databaseFor('migrate', where, undefined)
  const features = featuresOf(parts)
  const { dialect } = database
  if (await isMade(database, features)) return
  await database.transaction(async (tx) => {
    // Two processes that make the same table at once: one of them would fail on PostgreSQL, IF NOT EXISTS or not.
    if (dialect === 'postgres') await tx.query("SELECT 1 AS locked FROM pg_advisory_xact_lock(hashtext('corebus_schema'))")
    for (const statement of ddl(dialect, parts)) await tx.query(statement)
    for (const feature of features) await checkSchema(tx, database.where, feature)
  })
}

const MAKES = /^CREATE TABLE IF NOT EXISTS (\S+)/

/**
 * Whether all tables are there, as a look says that locks nothing. CREATE INDEX IF NOT EXISTS waits for everybody who writes into its table, and keeps
 * others from it, also where the index is there: processes that started beside busy ones met deadlocks on PostgreSQL.
 */
async function isMade({ read }: SqlDatabase, features: readonly Feature[]): Promise<boolean> {
  try {
    return await read(async (tx) => {
      for (const feature of features) {
        // What is missing has to fail the transaction: PostgreSQL commits none in which a statement has failed.
        if ((await recorded(tx, feature)) !== feature.version) return false
        // Somebody may have removed a table, and run migrate to have it again.
        const tables = feature.ddl(tx.dialect).flatMap((statement) => MAKES.exec(statement.trim())?.[1] ?? [])
        for (const table of tables) await tx.query(`SELECT 1 AS found FROM ${table} WHERE 1 = 0`)
      }
      return true
    })
  } catch (thrown) {
    if (isMissingTable(thrown)) return false
    throw thrown
  }
}

/** The statements that `migrate` runs, for people who run migrations with a tool of their own. */
export function ddl(dialect: Dialect, parts: readonly Part[]): readonly string[] {
  const features = featuresOf(parts)
  const tables = new Set(features.map((feature) => versions(dialect, feature)))
  const made = [...tables].map(
    (table) => `CREATE TABLE IF NOT EXISTS ${table} (name ${NAME[dialect]} PRIMARY KEY, version integer NOT NULL)`,
  )
  return [...made, ...features.flatMap((feature) => [...feature.ddl(dialect), remember(dialect, feature)])]
}

function featuresOf(parts: readonly Part[]): readonly Feature[] {
  if (!Array.isArray(parts)) throw new CorebusError('OPTION', `${PARTS}, not ${parts === undefined ? 'undefined' : typeof parts}`)
  return parts.map((part: Part) => {
    const feature = part && 'feature' in part ? part.feature : part
    if (typeof feature?.ddl === 'function') return feature
    throw new CorebusError('OPTION', `${PARTS}: something else is among them`)
  })
}

const PARTS = 'the tables of which parts? They are an array of what sqlOutbox(), sqlInbox(), sqlSchedules() and sqlLeases() return'

function remember(dialect: Dialect, feature: Feature): string {
  const { name, version } = feature
  const values = `INTO ${versions(dialect, feature)} (name, version) VALUES ('${name.replaceAll("'", "''")}', ${version})`
  if (dialect === 'mysql') return `INSERT IGNORE ${values}`
  return `INSERT ${values} ON CONFLICT (name) DO NOTHING`
}

/** @throws CorebusError SCHEMA where a table is missing, or of another version */
export async function checkSchema(tx: SqlTx, where: string, feature: Feature): Promise<void> {
  const { name, version } = feature
  const found = await versionOf(tx, feature)
  if (found === version) return
  throw new CorebusError(
    'SCHEMA',
    found === undefined
      ? missing(name, where)
      : `the tables of ${name} in ${where} are of version ${found}, and this release of @corebus/sql has version ${version}: ${found < version ? 'run migrate() of this release once' : 'bring this process to the release that made them'}`,
  )
}

async function recorded(tx: SqlTx, feature: Feature): Promise<number | undefined> {
  const { rows } = await tx.query(`SELECT version FROM ${versions(tx.dialect, feature)} WHERE name = ?`, [feature.name])
  return rows[0] === undefined ? undefined : Number(rows[0].version)
}

async function versionOf(tx: SqlTx, feature: Feature): Promise<number | undefined> {
  try {
    return await recorded(tx, feature)
  } catch (thrown) {
    if (isMissingTable(thrown)) return undefined
    throw thrown
  }
}

/** The error, or what to do where it says that a table of the feature is not there. */
export function orMissing<E>(thrown: E, name: string, where: string): E | CorebusError {
  return isMissingTable(thrown) ? new CorebusError('SCHEMA', missing(name, where), { cause: thrown }) : thrown
}

function missing(name: string, where: string): string {
  return `the tables of ${name} are not in ${where}: run \`npx corebus outbox migrate\`, call migrate(), or run what \`npx corebus outbox ddl\` prints, once`
}
