import { type MysqlAnswer, mysqlResult } from './drivers.ts'
import { calls, type LibraryTx, type LibraryValue, property, type Recogniser } from './recogniser.ts'
import { count, type Dialect, numbered, reads, type SqlResult, type SqlRow } from './sql-tx.ts'

interface KyselyTx {
  readonly isTransaction: boolean
  /** Only a controlled transaction has these two. */
  readonly isCommitted?: boolean
  readonly isRolledBack?: boolean
  withoutPlugins(): KyselyTx
  selectFrom(table: string): {
    select(column: string): { where(column: string, operator: '=', value: number): { compile(): { sql: string } } }
  }
  executeQuery(compiled: object): Promise<{ rows: SqlRow[]; numAffectedRows?: bigint }>
}

const isKysely = (given: object): given is KyselyTx =>
  calls(given, 'executeQuery', 'selectFrom', 'withoutPlugins') && typeof property(given, 'isTransaction') === 'boolean'

/** A transaction of Kysely, in a callback or controlled. Its plugins may rename columns, so they are left out. */
export function kysely(given: object): LibraryTx | undefined {
  if (!isKysely(given)) return undefined
  const { isTransaction } = given
  const dialect = kyselyDialect(given)
  const bare = given.withoutPlugins()
  return {
    dialect,
    state: () => (!isTransaction ? 'autocommit' : given.isCommitted || given.isRolledBack ? 'over' : 'open'),
    async run(sql, parameters, to) {
      const text = to === 'postgres' ? numbered(sql) : sql
      const query = { kind: 'RawNode', sqlFragments: [text], parameters: [] }
      const { rows, numAffectedRows } = await bare.executeQuery({ sql: text, parameters, query, queryId: { queryId: 'corebus' } })
      return { rows, affected: reads(sql) ? rows.length : count(sql, numAffectedRows) }
    },
  }
}

/** By how it quotes and where it puts parameters: so it is known of any dialect for Kysely, whoever wrote it. */
function kyselyDialect(given: KyselyTx): Dialect | undefined {
  const { sql } = given.selectFrom('a').select('b').where('b', '=', 1).compile()
  if (sql.includes('`')) return sql.includes('?') ? 'mysql' : undefined
  if (sql.includes('$1')) return 'postgres'
  return sql.includes('?') ? 'sqlite' : undefined
}

interface KnexTx {
  readonly isTransaction?: boolean
  isCompleted?(): boolean
  readonly client: { readonly dialect: string }
  raw(sql: string, params: readonly LibraryValue[]): Promise<unknown>
}

const isKnex = (given: object): given is KnexTx =>
  typeof given === 'function' && calls(given, 'raw', 'batchInsert', 'transaction') && typeof property(given, 'client') === 'object'

const KNEX_DIALECTS: Readonly<Record<string, Dialect>> = {
  postgresql: 'postgres',
  cockroachdb: 'postgres',
  mysql: 'mysql',
  sqlite3: 'sqlite',
}

/** A transaction of Knex. */
export function knex(given: object): LibraryTx | undefined {
  if (!isKnex(given)) return undefined
  return {
    dialect: KNEX_DIALECTS[given.client.dialect],
    state: () => (!given.isTransaction ? 'autocommit' : given.isCompleted?.() ? 'over' : 'open'),
    async run(sql, params, dialect) {
      const answer = await given.raw(sql, params)
      if (dialect === 'postgres') return pgResult(sql, answer)
      if (dialect === 'mysql') return mysqlResult(sql, (answer as readonly [MysqlAnswer])[0]) // Knex types nothing of what `raw` gives
      return sqliteResult(sql, answer)
    },
  }
}

interface DrizzleTx {
  execute(query: DrizzleQuery): Promise<unknown>
  all(query: DrizzleQuery): unknown
  run(query: DrizzleQuery): unknown
  readonly $client?: unknown
}
interface DrizzleQuery {
  getSQL(): { toQuery(): { sql: string; params: readonly LibraryValue[] } }
}

const DRIZZLE_KIND = /^(?:Base)?(Pg|MySql|SQLite)\w*Database$/
const DRIZZLE_DIALECTS: Readonly<Record<string, Dialect>> = { Pg: 'postgres', MySql: 'mysql', SQLite: 'sqlite' }

/** The names that Drizzle gives its classes so that they are known across copies of it, from the most special on. */
function drizzleKinds(given: object): readonly string[] {
  const kinds: string[] = []
  for (let at: object | null = given; at !== null; at = Object.getPrototypeOf(at)) {
    const kind = at.constructor && Reflect.get(at.constructor, Symbol.for('drizzle:entityKind'))
    if (typeof kind === 'string') kinds.push(kind)
  }
  return kinds
}

const drizzleDialect = (kinds: readonly string[]): Dialect | undefined =>
  kinds.map((kind) => DRIZZLE_DIALECTS[DRIZZLE_KIND.exec(kind)?.[1] ?? '']).find((one) => one !== undefined)
/** The database of anything of Drizzle's; undefined for what is none of it, or is of a database that is not known. */
export const drizzleDialectOf = (given: object): Dialect | undefined => drizzleDialect(drizzleKinds(given))
const isDrizzle = (_given: object, dialect: Dialect | undefined): _given is DrizzleTx => dialect !== undefined

/**
 * What Drizzle's `transaction` gives. It does not say when it is over. A database of Drizzle on one connection stands for that connection, which `others`
 * know: so a BEGIN by hand may be used, where Drizzle has only transactions that wait for nothing (better-sqlite3).
 */
export const drizzle =
  (others: Recogniser): Recogniser =>
  (given) => {
    const kinds = drizzleKinds(given)
    const dialect = drizzleDialect(kinds)
    if (!isDrizzle(given, dialect)) return undefined
    const isTransaction = kinds.some((kind) => kind.endsWith('Transaction'))
    const client = typeof given.$client === 'object' && given.$client !== null ? others(given.$client) : undefined
    if (!isTransaction && client) return client
    return {
      dialect,
      state() {
        if (!isTransaction) return 'autocommit'
        if (dialect !== 'sqlite') return 'unknown'
        return insideOfSqlite(given) ? 'open' : 'autocommit'
      },
      run: (sql, params, to) => (to === 'sqlite' ? drizzleSqlite(given, sql, params) : drizzleServer(given, sql, params, to)),
    }
  }

const drizzleQuery = (sql: string, params: readonly LibraryValue[] = []): DrizzleQuery => {
  const query = { toQuery: () => ({ sql, params }), getSQL: () => query }
  return query
}

async function drizzleServer(tx: DrizzleTx, sql: string, params: readonly LibraryValue[], dialect: Dialect): Promise<SqlResult> {
  const answer = await tx.execute(drizzleQuery(dialect === 'postgres' ? numbered(sql) : sql, params))
  if (dialect === 'mysql') return mysqlResult(sql, (answer as readonly [MysqlAnswer])[0]) // typed by each driver of Drizzle for itself
  return pgResult(sql, answer)
}

function drizzleSqlite(tx: DrizzleTx, sql: string, params: readonly LibraryValue[]): SqlResult | Promise<SqlResult> {
  const answer = reads(sql) ? tx.all(drizzleQuery(sql, params)) : tx.run(drizzleQuery(sql, params))
  return answer instanceof Promise ? answer.then((awaited) => sqliteResult(sql, awaited)) : sqliteResult(sql, answer)
}

/** SQLite refuses a transaction inside of another one, and one that begins here ends before anybody else has a turn. */
function insideOfSqlite(tx: DrizzleTx): boolean {
  try {
    tx.run(drizzleQuery('BEGIN'))
  } catch {
    return true
  }
  tx.run(drizzleQuery('ROLLBACK'))
  return false
}

/** Of pg, of postgres.js and of PGlite, which Knex and Drizzle hand on as it is. */
function pgResult(sql: string, answer: unknown): SqlResult {
  const { rows, rowCount, affectedRows, count: ofPostgresJs } = answer as Record<string, unknown> & { rows?: SqlRow[] }
  if (Array.isArray(answer)) return { rows: answer, affected: count(sql, ofPostgresJs) }
  return { rows: rows ?? [], affected: rows?.length || count(sql, rowCount ?? affectedRows) }
}

/** Rows of what reads, and of what writes an object that says how many. */
function sqliteResult(sql: string, answer: unknown): SqlResult {
  if (Array.isArray(answer)) return { rows: answer, affected: answer.length }
  return { rows: [], affected: count(sql, (answer as { changes?: unknown } | undefined)?.changes) }
}
