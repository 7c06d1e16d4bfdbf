import type { Message } from '@corebus/core'
import { sql } from 'kysely'
import type { SqlDatabase } from '../database/database.ts'
import { builder } from '../database/statements.ts'
import { look, maybe, whole } from '../relay/rows.ts'
import type { SqlRow, SqlTx, SqlValue } from '../tx/sql-tx.ts'
import { COLUMNS, inColumn, messageOf } from './row.ts'
import { ASIDE, HELD, tablesOf } from './tables.ts'

/** What is in an outbox now. */
export interface OutboxStatus {
  /** Rows that are due, those that wait behind a refused one among them. */
  readonly waiting: number
  /** Rows whose time has not come. */
  readonly delayed: number
  /** Rows that the broker has refused and that are tried again, and rows of a key that waits for such a one. */
  readonly aside: number
  /** Rows that wait behind a dead one. */
  readonly held: number
  readonly dead: number
  /** The age of the oldest row that is due, in ms; 0 without one. */
  readonly oldestMs: number
}

export type OutboxState = 'waiting' | 'delayed' | 'aside' | 'held' | 'dead'

/** A row of an outbox, without what its message says. */
export interface OutboxEntry {
  readonly state: OutboxState
  readonly id: string
  readonly topic: string
  readonly key?: string
  readonly event?: string
  /** When it was written, ms since the epoch. */
  readonly at: number
  readonly attempts: number
  /** Of a delayed one. */
  readonly dueAt?: number
  /** Of a dead one. */
  readonly diedAt?: number
  readonly error?: string
}

/** Which rows are meant. All of them without any of these. */
export interface OutboxFilter {
  readonly id?: string
  readonly topic?: string
  readonly key?: string
}

/** What people do with an outbox by hand. */
export interface OutboxStore {
  status(): Promise<OutboxStatus>
  /** Rows of one kind, the oldest first, at most `limit` (100). */
  list(state: OutboxState, filter?: OutboxFilter & { readonly limit?: number }): Promise<readonly OutboxEntry[]>
  /** How many dead rows these are. */
  countDead(filter?: OutboxFilter): Promise<number>
  /** A row with its message, wherever it is; undefined where none has the id. */
  show(id: string): Promise<(OutboxEntry & { readonly message: Message }) | undefined>
  /** Gives dead rows to the relay again, in their old place before what waits behind them. @returns how many */
  retry(filter?: OutboxFilter): Promise<number>
  /** Deletes dead rows; what waits behind them leaves. @returns how many */
  purge(filter?: OutboxFilter): Promise<number>
}

const MOST_LISTED = 100
/** Dead rows that are retried or purged in one transaction. */
const AT_ONCE = 500

/** @example outboxStore(kyselySession(db).database).status() */
export function outboxStore(database: SqlDatabase, table = 'outbox'): OutboxStore {
  return {
    status: () => database.read((tx) => status(tx, table)),
    list: (state, filter = {}) => database.read((tx) => list(tx, table, state, filter)),
    countDead: (filter = {}) => database.read((tx) => countDead(tx, table, filter)),
    show: (id) => database.read((tx) => show(tx, table, id)),
    retry: (filter = {}) => ofAllDead(database, (tx) => decide(tx, table, filter, 'retry')),
    purge: (filter = {}) => ofAllDead(database, (tx) => decide(tx, table, filter, 'purge')),
  }
}

async function status(tx: SqlTx, table: string): Promise<OutboxStatus> {
  const tables = tablesOf(table)
  const { oldestMs } = await look(tx, tables)
  const lower = sql.raw(String(ASIDE))
  const upper = sql.raw(String(HELD))
  const { rows } = await query(
    tx,
    sql`select (select count(*) from ${sql.table(tables.outbox)} where part < ${lower}) as waiting,
      (select count(*) from ${sql.table(tables.outbox)} where part >= ${lower} and part < ${upper}) as aside,
      (select count(*) from ${sql.table(tables.outbox)} where part >= ${upper}) as held,
      (select count(*) from ${sql.table(tables.delayed)}) as later,
      (select count(*) from ${sql.table(tables.dead)}) as dead`,
  )
  const { waiting, aside, held, later, dead } = rows[0] ?? {}
  return { waiting: whole(waiting), aside: whole(aside), held: whole(held), delayed: whole(later), dead: whole(dead), oldestMs }
}

interface Place {
  readonly table: 'outbox' | 'delayed' | 'dead'
  readonly where: string
  readonly order: string
  /** Columns that only this table has. */
  readonly own: readonly string[]
}

const PLACES: Readonly<Record<OutboxState, Place>> = {
  waiting: { table: 'outbox', where: `part < ${ASIDE}`, order: 'seq', own: [] },
  aside: { table: 'outbox', where: `part >= ${ASIDE} and part < ${HELD}`, order: 'seq', own: [] },
  held: { table: 'outbox', where: `part >= ${HELD}`, order: 'seq', own: [] },
  delayed: { table: 'delayed', where: '1 = 1', order: 'due, seq', own: ['due'] },
  dead: { table: 'dead', where: '1 = 1', order: 'died, seq', own: ['died', 'error'] },
}

const STATES = ['waiting', 'aside', 'held', 'delayed', 'dead'] as const

async function list(
  tx: SqlTx,
  table: string,
  state: OutboxState,
  { limit = MOST_LISTED, ...filter }: OutboxFilter & { readonly limit?: number },
): Promise<readonly OutboxEntry[]> {
  return (await rowsIn(tx, table, state, filter, limit)).map((row) => entryOf(state, row))
}

async function rowsIn(tx: SqlTx, table: string, state: OutboxState, filter: OutboxFilter, limit: number): Promise<readonly SqlRow[]> {
  const place = PLACES[state]
  const columns = sql.join([...COLUMNS, 'seq', 'created', 'attempts', ...place.own].map((column) => sql.ref(column)))
  const { where, params } = conditions(filter)
  const from = sql.table(tablesOf(table)[place.table])
  const statement = sql`select ${columns} from ${from} where ${sql.raw(place.where)}${where} order by ${sql.raw(place.order)} limit ${sql.raw(String(Math.floor(limit)))}`
  return (await query(tx, statement, params)).rows
}

async function countDead(tx: SqlTx, table: string, filter: OutboxFilter): Promise<number> {
  const { where, params } = conditions(filter)
  const { rows } = await query(tx, sql`select count(*) as dead from ${sql.table(tablesOf(table).dead)} where 1 = 1${where}`, params)
  return whole(rows[0]?.dead)
}

async function show(tx: SqlTx, table: string, id: string): Promise<(OutboxEntry & { readonly message: Message }) | undefined> {
  for (const state of STATES) {
    const [row] = await rowsIn(tx, table, state, { id }, 1)
    if (row) return { ...entryOf(state, row), message: messageOf(row) }
  }
  return undefined
}

function entryOf(state: OutboxState, row: SqlRow): OutboxEntry {
  const { id, topic, key, event } = messageOf(row)
  return {
    state,
    id,
    topic,
    ...(key !== undefined && { key }),
    ...(event !== undefined && { event }),
    at: whole(row.created),
    attempts: whole(row.attempts),
    ...(state === 'delayed' && { dueAt: whole(row.due) }),
    ...(state === 'dead' && { diedAt: maybe(row.died) ?? 0, error: String(row.error) }),
  }
}

function conditions({ id, topic, key }: OutboxFilter): { readonly where: ReturnType<typeof sql>; readonly params: readonly SqlValue[] } {
  const given = Object.entries({ id, aggregatetype: topic, aggregateid: key }).filter(([, value]) => value !== undefined)
  const parts = given.map(([column]) => sql` and ${sql.ref(column)} = ${sql.raw('?')}`)
  return { where: parts.length === 0 ? sql`` : sql.join(parts, sql``), params: given.map(([, value]) => inColumn(String(value))) }
}

async function ofAllDead(database: SqlDatabase, some: (tx: SqlTx) => Promise<number>): Promise<number> {
  let all = 0
  for (;;) {
    const done = await database.transaction(some)
    all += done
    if (done < AT_ONCE) return all
  }
}

/** Decides about some dead rows, and frees the keys that they hold. Waits for the relay that has their parts: it would hold more rows behind them. */
async function decide(tx: SqlTx, table: string, filter: OutboxFilter, how: 'retry' | 'purge'): Promise<number> {
  const { outbox, dead, parts } = tablesOf(table)
  const { where, params } = conditions(filter)
  const found = await query(tx, sql`select distinct part from ${sql.table(dead)} where 1 = 1${where} order by part`, params)
  if (found.rows.length === 0) return 0
  const theirs = sql.raw(found.rows.map(({ part }) => whole(part)).join(', '))
  const lock = sql.raw(tx.dialect === 'sqlite' ? '' : ' for update')
  await query(tx, sql`select part from ${sql.table(parts)} where part in (${theirs}) order by part${lock}`)
  const select = sql`select seq, part, holds, aggregatetype, aggregateid from ${sql.table(dead)} where part in (${theirs})${where} order by seq limit ${sql.raw(String(AT_ONCE))}`
  const { rows } = await query(tx, select, params)
  if (rows.length === 0) return 0
  const seqs = sql.raw(rows.map(({ seq }) => whole(seq)).join(', '))
  if (how === 'retry') {
    const columns = sql.join([...COLUMNS, 'seq', 'created'].map((column) => sql.ref(column)))
    await query(tx, sql`insert into ${sql.table(outbox)} (${columns}) select ${columns} from ${sql.table(dead)} where seq in (${seqs})`)
  }
  await query(tx, sql`delete from ${sql.table(dead)} where seq in (${seqs})`)
  for (const row of rows) if (whole(row.holds) === 1) await free(tx, table, row)
  return rows.length
}

/** Lets go of what waits behind a dead row, unless another one of its key is dead too. */
async function free(tx: SqlTx, table: string, row: SqlRow): Promise<void> {
  const { outbox, dead } = tablesOf(table)
  const part = whole(row.part)
  const line = sql`aggregatetype = ${sql.raw('?')} and aggregateid = ${sql.raw('?')}`
  const params = [String(row.aggregatetype), String(row.aggregateid)]
  const others = sql`select seq from ${sql.table(dead)} where part = ${sql.raw(String(part))} and holds = 1 and ${line}`
  if ((await query(tx, others, params)).rows.length > 0) return
  const from = sql.raw(String(part + HELD))
  await query(tx, sql`update ${sql.table(outbox)} set part = ${sql.raw(String(part))} where part = ${from} and ${line}`, params)
}

function query(tx: SqlTx, statement: ReturnType<typeof sql>, params: readonly SqlValue[] = []): ReturnType<SqlTx['query']> {
  return tx.query(statement.compile(builder(tx.dialect)).sql, params)
}
