import { createHash } from 'node:crypto'
import { calls, type LibraryTx, type LibraryValue, property, type TxState } from './recogniser.ts'
import { count, numbered, type SqlRow } from './sql-tx.ts'

interface PgQuery {
  readonly name: string
  readonly text: string
  readonly values: readonly LibraryValue[]
}
interface PgClient {
  query(sql: string, params: readonly LibraryValue[]): Promise<PgAnswer>
  query(query: PgQuery): Promise<PgAnswer>
  /** Older versions lack it, and some of pg-native give null. */
  getTransactionStatus?(): string | null
}
interface PgAnswer {
  readonly rows: readonly SqlRow[]
  readonly rowCount: number | null
}

const isPgClient = (given: object): given is PgClient => calls(given, 'query', 'escapeIdentifier')
const isPgPool = (given: object): given is PgClient => calls(given, 'query', 'connect') && typeof property(given, 'idleCount') === 'number'
const PG_STATES: Readonly<Record<string, TxState>> = { I: 'autocommit', T: 'open', E: 'failed' }

/** A client of pg, also one out of its pool. */
export function pg(given: object): LibraryTx | undefined {
  const isPool = isPgPool(given)
  if (!isPool && !isPgClient(given)) return undefined
  const stateOfClient = (): TxState => PG_STATES[given.getTransactionStatus?.() ?? ''] ?? 'unknown'
  return {
    dialect: 'postgres',
    state: isPool ? () => 'autocommit' : stateOfClient,
    async run(sql, params, _dialect, { repeated = false } = {}) {
      const { rows, rowCount } = await (repeated ? runRepeated(given, sql, params) : given.query(numbered(sql), params))
      return { rows, affected: count(sql, rowCount) }
    },
  }
}

/** Whether a client talks to PostgreSQL itself. */
const direct = new WeakMap<PgClient, boolean>()

/**
 * Kept prepared by the connection, a statement costs PostgreSQL no parsing and no planning: a third of an insert into the outbox. A pooler in transaction mode
 * gives each transaction another connection, where the statement is not known, so clients of poolers are found out by their first one.
 */
async function runRepeated(client: PgClient, sql: string, values: readonly LibraryValue[]): Promise<PgAnswer> {
  const { name, text } = preparedOf(sql)
  if (direct.get(client)) return await client.query({ name, text, values }).catch((error) => forgotten(client, error))
  // It is not asked before: a statement that nobody waits for must be sent ahead of the commit that follows it.
  const answer = await client.query(text, values)
  if (!direct.has(client)) await askWhether(client)
  return answer
}

/** The process that the client was told at its beginning is the one that answers it. A pooler tells one of its own. */
async function askWhether(client: PgClient): Promise<void> {
  try {
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid', [])
    direct.set(client, rows[0]?.pid === property(client, 'processID'))
  } catch {
    // The transaction has ended meanwhile, or cannot go on: the next one asks.
  }
}

/** Somebody has told the connection to forget its prepared statements (DISCARD ALL, DEALLOCATE): it is run without one from now on. */
function forgotten(client: PgClient, error: unknown): never {
  if (property(Object(error), 'code') === '26000') direct.set(client, false)
  throw error
}

type Prepared = Omit<PgQuery, 'values'>

const prepared = new Map<string, Prepared>()

/** A name belongs to one text, also where two copies of this package share a connection. */
function preparedOf(sql: string): Prepared {
  const known = prepared.get(sql)
  if (known) return known
  const text = numbered(sql)
  const made = { text, name: `corebus_${createHash('sha256').update(text).digest('hex').slice(0, 24)}` }
  prepared.set(sql, made)
  return made
}
