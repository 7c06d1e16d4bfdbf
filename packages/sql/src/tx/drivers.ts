import { calls, type LibraryTx, type LibraryValue, property } from './recogniser.ts'
import { count, numbered, type SqlResult, type SqlRow } from './sql-tx.ts'

interface PostgresJs {
  unsafe(sql: string, params: readonly LibraryValue[]): Promise<readonly SqlRow[] & { count: number | null }>
}

const isPostgresJs = (given: object): given is PostgresJs => typeof given === 'function' && calls(given, 'unsafe', 'typed', 'notify')

/** The `sql` that `begin` of postgres.js gives, or one out of `reserve`. After its end it goes on, without a transaction, and does not say so. */
export function postgresJs(given: object): LibraryTx | undefined {
  if (!isPostgresJs(given)) return undefined
  const isRoot = calls(given, 'begin')
  return {
    dialect: 'postgres',
    state: () => (isRoot ? 'autocommit' : 'unknown'),
    async run(sql, params) {
      const rows = await given.unsafe(numbered(sql), params)
      return { rows, affected: count(sql, rows.count) }
    },
  }
}

interface PGliteTx {
  query(sql: string, params: readonly LibraryValue[]): Promise<{ rows: SqlRow[]; affectedRows?: number }>
  readonly closed: boolean
}

const isPGlite = (given: object): given is PGliteTx =>
  calls(given, 'query', 'exec', 'listen') && typeof property(given, 'closed') === 'boolean'

/** PostgreSQL in the process: what its `transaction` gives, or the database itself after BEGIN, as it has one connection. */
export function pglite(given: object): LibraryTx | undefined {
  if (!isPGlite(given)) return undefined
  const stateOpen = calls(given, 'rollback') ? 'open' : 'unknown'
  return {
    dialect: 'postgres',
    state: () => (given.closed ? 'over' : stateOpen),
    async run(sql, params) {
      const { rows, affectedRows } = await given.query(numbered(sql), params)
      return { rows, affected: rows.length || count(sql, affectedRows) }
    },
  }
}

interface MysqlQuery {
  readonly sql: string
  readonly values: readonly LibraryValue[]
}
interface Mysql2 {
  query(query: MysqlQuery): Promise<readonly [answer: MysqlAnswer, fields: unknown]>
}
export type MysqlAnswer = readonly SqlRow[] | { readonly affectedRows: number }

const isMysql2 = (given: object): given is Mysql2 =>
  calls(given, 'query', 'execute', 'unprepare', 'beginTransaction') || isMysql2Pool(given)
const isMysql2Pool = (given: object): boolean => calls(given, 'query', 'execute', 'getConnection') && !calls(given, 'batch')
/** As the connection was made it may give integers rounded, or rows as arrays: asked for with the statement, the answer is always the same. */
const MYSQL_ANSWER = { supportBigNumbers: true, bigNumberStrings: false, rowsAsArray: false, nestTables: false, namedPlaceholders: false }

/** A connection of mysql2, with promises or callbacks, also one out of its pool. It does not say whether a transaction is open. */
export function mysql2(given: object): LibraryTx | undefined {
  const promises = property(given, 'promise')
  const connection: unknown = typeof promises === 'function' && calls(given, 'query', 'execute') ? promises.call(given) : given
  if (typeof connection !== 'object' || connection === null || !isMysql2(connection)) return undefined
  const isPool = isMysql2Pool(connection)
  return {
    dialect: 'mysql',
    state: () => (isPool ? 'autocommit' : 'unknown'),
    async run(sql, values) {
      const [answer] = await connection.query({ sql, values, ...MYSQL_ANSWER })
      return mysqlResult(sql, answer)
    },
  }
}

export function mysqlResult(sql: string, answer: MysqlAnswer): SqlResult {
  return 'affectedRows' in answer ? { rows: [], affected: count(sql, answer.affectedRows) } : { rows: answer, affected: answer.length }
}
