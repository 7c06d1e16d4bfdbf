import type { Message } from '@corebus/core'
import { sql } from 'kysely'
import type { SqlDatabase } from '../database/database.ts'
import { builder } from '../database/statements.ts'
import { look, maybe, whole } from '../relay/rows.ts'
import type { SqlRow, SqlTx, SqlValue } from '../tx/sql-tx.ts'
import { cursorOf, type Position, positionIn } from './cursor.ts'
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

export interface OutboxPaging {
  readonly limit?: number
  readonly after?: string
}

export interface OutboxPage {
  readonly entries: readonly OutboxEntry[]
  /** The place where the next page begins. Undefined when there is none. */
  readonly next?: string
}

/** What people do with an outbox by hand. */
export interface OutboxStore {
  status(): Promise<OutboxStatus>
  /** Rows of one kind, the oldest first, at most `limit` (100). */
  list(state: OutboxState, filter?: OutboxFilter & { readonly limit?: number }): Promise<readonly OutboxEntry[]>
  /**
   * Rows of several kinds, one kind after the other and the oldest of each first, at most `limit` (100) behind `after`, which is the `next` of a page.
   * @throws CorebusError CURSOR for an `after` that is none of these kinds
   */
  page(states: readonly OutboxState[], filter?: OutboxFilter & OutboxPaging): Promise<OutboxPage>
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
    page: (states, filter = {}) => database.read((tx) => page(tx, table, states, filter)),
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
  /** Before the number of a row: what its kind is ordered by. */
  readonly by: 'due' | 'died' | undefined
  /** Columns that only this table has. */
  readonly own: readonly string[]
}

const PLACES: Readonly<Record<OutboxState, Place>> = {
  waiting: { table: 'outbox', where: `part < ${ASIDE}`, by: undefined, own: [] },
  aside: { table: 'outbox', where: `part >= ${ASIDE} and part < ${HELD}`, by: undefined, own: [] },
  held: { table: 'outbox', where: `part >= ${HELD}`, by: undefined, own: [] },
  delayed: { table: 'delayed', where: '1 = 1', by: 'due', own: ['due'] },
  dead: { table: 'dead', where: '1 = 1', by: 'died', own: ['died', 'error'] },
}

const STATES = ['waiting', 'aside', 'held', 'delayed', 'dead'] as const

async function list(
  tx: SqlTx,
  table: string,
  state: OutboxState,
  { limit = MOST_LISTED, ...filter }: OutboxFilter & { readonly limit?: number },
): Promise<readonly OutboxEntry[]> {
  return (await rowsIn(tx, table, state, { filter, limit })).map((row) => entryOf(state, row))
}

async function page(
  tx: SqlTx,
  table: string,
  states: readonly OutboxState[],
  { limit = MOST_LISTED, after, ...filter }: OutboxFilter & OutboxPaging,
): Promise<OutboxPage> {
  const from = after === undefined ? undefined : positionIn(after, states)
  const rows: { readonly state: OutboxState; readonly row: SqlRow }[] = []
  for (const state of from ? states.slice(states.indexOf(from.state)) : states) {
    // One more says whether there is a next page.
    const more = limit + 1 - rows.length
    if (more <= 0) break
    const found = await rowsIn(tx, table, state, { filter, limit: more, behind: from?.state === state ? from : undefined })
    rows.push(...found.map((row) => ({ state, row })))
  }
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    entries: shown.map(({ state, row }) => entryOf(state, row)),
    ...(rows.length > limit && last && { next: cursorOf(positionOf(last.state, last.row)) }),
  }
}

function positionOf(state: OutboxState, row: SqlRow): Position<OutboxState> {
  const { by } = PLACES[state]
  return { state, at: by === undefined ? 0 : whole(row[by]), seq: whole(row.seq) }
}

interface Wanted {
  readonly filter: OutboxFilter
  readonly limit: number
  readonly behind?: Position<OutboxState> | undefined
}

async function rowsIn(tx: SqlTx, table: string, state: OutboxState, { filter, limit, behind }: Wanted): Promise<readonly SqlRow[]> {
  const { table: kind, where: kindOnly, by, own } = PLACES[state]
  const columns = sql.join([...COLUMNS, 'seq', 'created', 'attempts', ...own].map((column) => sql.ref(column)))
  const { where, params } = conditions(filter)
  const order = by === undefined ? 'seq' : `${by}, seq`
  const statement = sql`select ${columns} from ${sql.table(tablesOf(table)[kind])} where ${sql.raw(kindOnly)}${where}${sql.raw(behindOf(by, behind))} order by ${sql.raw(order)} limit ${sql.raw(String(Math.floor(limit)))}`
  return (await query(tx, statement, params)).rows
}

/** Whole numbers, which a cursor was checked to have. */
function behindOf(by: Place['by'], behind: Position<OutboxState> | undefined): string {
  if (!behind) return ''
  const { at, seq } = behind
  return by === undefined ? ` and seq > ${seq}` : ` and (${by} > ${at} or (${by} = ${at} and seq > ${seq}))`
}

async function countDead(tx: SqlTx, table: string, filter: OutboxFilter): Promise<number> {
  const { where, params } = conditions(filter)
  const { rows } = await query(tx, sql`select count(*) as dead from ${sql.table(tablesOf(table).dead)} where 1 = 1${where}`, params)
  return whole(rows[0]?.dead)
}

async function show(tx: SqlTx, table: string, id: string): Promise<(OutboxEntry & { readonly message: Message }) | undefined> {
  for (const state of STATES) {
    const [row] = await rowsIn(tx, table, state, { filter: { id }, limit: 1 })
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
