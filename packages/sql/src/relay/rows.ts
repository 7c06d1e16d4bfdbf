import type { Message } from '@corebus/core'
import { type RawBuilder, sql } from 'kysely'
import type { Transacts } from '../database/database.ts'
import { builder, NOW } from '../database/statements.ts'
import { COLUMNS, messageOf } from '../outbox/row.ts'
import { ASIDE, MOVER, nextSeq, type OutboxTables, PARTS } from '../outbox/tables.ts'
import { type Dialect, int64, type SqlRow, type SqlTx } from '../tx/sql-tx.ts'

/** A row of the outbox in the hands of a relay. */
export interface OutboxRow {
  readonly part: number
  readonly seq: number
  readonly attempts: number
  /** As its columns have them, for statements about the key. */
  readonly topic: string
  readonly key: string | null
  readonly message: Message
}

/** What there is to do, as one look shows it. Times are of the database. */
export interface Look {
  /** The parts that have rows. */
  readonly parts: readonly number[]
  /** The parts whose refused rows are to be tried again. */
  readonly back: readonly number[]
  readonly oldestMs: number
  /** The age of the oldest row that could leave at once: it does not lie aside or behind a dead one. */
  readonly waitingMs: number
  /** In so many ms the next delayed row or refused one is due; 0 when one is. */
  readonly delayedInMs: number | undefined
  readonly backInMs: number | undefined
}

const texts = new Map<string, string>()

/** The text of a statement, made once for each name, dialect and outbox. */
function text(tx: SqlTx, tables: OutboxTables, name: string, make: (dialect: Dialect) => ReturnType<typeof sql>): string {
  const key = `${name} ${tx.dialect} ${tables.outbox}`
  let made = texts.get(key)
  if (made === undefined) {
    made = make(tx.dialect).compile(builder(tx.dialect)).sql
    texts.set(key, made)
  }
  return made
}

/** Whole numbers of ours, as a statement has them. */
export const list = (numbers: readonly number[]): RawBuilder<unknown> => sql.raw(numbers.join(', '))

/** On SQLite: something that changes when another connection commits. */
export async function versionOf({ read }: Pick<Transacts, 'read'>): Promise<unknown> {
  const { rows } = await read((tx) => tx.query('PRAGMA data_version'))
  return Object.values(rows[0] ?? {})[0]
}

/**
 * The statistics of a table that is empty most of the time mislead PostgreSQL into reading and sorting all rows of a part for the first few. Left with
 * the order of its index it reads those. Up to version 17 what is switched off and used all the same, as for a table without an index that fits, costs 10^10:
 * so much that PostgreSQL would compile each of these small statements, for a second or more. Each holds for the transaction that says it.
 */
const BY_INDEX = ['enable_seqscan', 'enable_sort', 'jit'].map((name) => `set_config('${name}', 'off', true) as ${name}`).join(', ')

/** Costs the same however many rows there are. */
export async function look(tx: SqlTx, tables: OutboxTables): Promise<Look> {
  const { outbox, delayed, parts } = tables
  const statement = text(tx, tables, 'look', (dialect) => {
    const now = sql.raw(NOW[dialect])
    return sql`select p.part as part, (select o.created from ${sql.table(outbox)} o where o.part = p.part order by o.seq limit 1) as oldest, p.back as back, ${now} as at
      from ${sql.table(parts)} p where p.part >= 0
      union all select ${list([MOVER])}, (select min(d.due) from ${sql.table(delayed)} d),
      (select o.created from ${sql.table(outbox)} o where o.part >= ${list([ASIDE])} order by o.part, o.seq limit 1), ${now}`
  })
  if (tx.dialect === 'postgres') await tx.query(`select ${BY_INDEX}`)
  const { rows } = await tx.query(statement)
  const at = Math.max(...rows.map((row) => whole(row.at)))
  const [own = [], [rest] = []] = [rows.filter((row) => whole(row.part) !== MOVER), rows.filter((row) => whole(row.part) === MOVER)]
  const backs = own.map((row) => ({ part: whole(row.part), at: maybe(row.back) })).filter((one) => one.at !== undefined)
  const due = maybe(rest?.oldest)
  const oldest = [...own.map((row) => maybe(row.oldest)), maybe(rest?.back), due].filter((one) => one !== undefined)
  const backInMs = backs.map((one) => Math.max(0, (one.at ?? 0) - at))
  return {
    parts: own.filter((row) => row.oldest !== null).map((row) => whole(row.part)),
    back: backs.filter((one) => (one.at ?? 0) <= at).map(({ part }) => part),
    oldestMs: Math.max(0, at - Math.min(at, ...oldest)),
    waitingMs: Math.max(0, at - Math.min(at, ...own.flatMap((row) => maybe(row.oldest) ?? []))),
    delayedInMs: due === undefined ? undefined : Math.max(0, due - at),
    backInMs: backInMs.length === 0 ? undefined : Math.min(...backInMs),
  }
}

/** A part in the hands of one relay. */
export interface Locked {
  readonly part: number
  /** Its refused rows are to be tried again. */
  readonly isBack: boolean
}

/** Takes at most `most` of the parts that nobody else has, until the transaction ends. Not on SQLite, which has no row to lock. */
export async function lockParts(
  tx: SqlTx,
  tables: OutboxTables,
  wanted: readonly number[],
  { most, idleMs = IDLE_MS }: { readonly most: number; readonly idleMs?: number | undefined },
): Promise<readonly Locked[]> {
  // A relay whose machine is gone gives its parts back when the server ends its transaction.
  const settings =
    tx.dialect === 'postgres' ? `, ${BY_INDEX}, set_config('idle_in_transaction_session_timeout', '${idleMs}', true) as idle` : ''
  const statement = sql`select part, case when back <= ${sql.raw(NOW[tx.dialect])} then 1 else 0 end as isback${sql.raw(settings)} from ${sql.table(tables.parts)} where part in (${list(wanted)}) order by part limit ${list([most])} for update skip locked`
  const { rows } = await tx.query(statement.compile(builder(tx.dialect)).sql)
  return rows.map((row) => ({ part: whole(row.part), isBack: whole(row.isback) === 1 }))
}

/** Longer than any publish: a relay whose transaction does nothing for so long is gone. */
export const IDLE_MS = 60_000

export interface FirstRows {
  readonly parts: readonly number[]
  /** So many of each part. */
  readonly each: number
  /** Topics whose rows are left out. */
  readonly except?: readonly string[]
}

/** The first rows of each part, in their order. */
export async function firstRows(tx: SqlTx, tables: OutboxTables, first: FirstRows): Promise<readonly OutboxRow[]> {
  const columns = sql.join(['seq', 'attempts', ...COLUMNS].map((column) => sql.ref(column)))
  const { rows } = await ofEachPart(tx, tables, { all: sql`*`, columns }, first)
  return rows.map(rowOf).sort((one, other) => one.part - other.part || one.seq - other.seq)
}

/** How many rows of each part may be read at once, at most `each`, so that what they hold together is no more than `mostBytes`; at least one. */
export async function fitting(tx: SqlTx, tables: OutboxTables, first: FirstRows, mostBytes: number): Promise<number> {
  // PostgreSQL and SQLite know how long a text is without reading it.
  const columns = sql`octet_length(payload) + octet_length(headers) + coalesce(octet_length(extras), 0) as bytes`
  for (let { each } = first; ; ) {
    const { rows } = await ofEachPart(tx, tables, { all: sql`sum(bytes) as bytes`, columns }, { ...first, each })
    const sum = rows.reduce((all, row) => all + Number(row.bytes ?? 0), 0)
    if (sum <= mostBytes || each === 1) return each
    each = Math.max(1, Math.min(Math.floor(each / 2), Math.floor((each * mostBytes) / sum)))
  }
}

function ofEachPart(
  tx: SqlTx,
  { outbox }: OutboxTables,
  { all, columns }: { readonly all: RawBuilder<unknown>; readonly columns: RawBuilder<unknown> },
  { parts, each, except = [] }: FirstRows,
): ReturnType<SqlTx['query']> {
  const others = except.length === 0 ? sql`` : sql` and aggregatetype not in (${sql.raw(except.map(() => '?').join(', '))})`
  // A select for each part is read off the index; one for all of them would be sorted.
  const selects = parts.map(
    (part) =>
      sql`select ${all} from (select ${columns} from ${sql.table(outbox)} where part = ${list([part])}${others} order by seq limit ${list([each])}) ${sql.ref(`p${part}`)}`,
  )
  const params = parts.flatMap(() => except)
  return tx.query(sql.join(selects, sql` union all `).compile(builder(tx.dialect)).sql, params)
}

function rowOf(row: SqlRow): OutboxRow {
  return {
    part: whole(row.part),
    seq: whole(row.seq),
    attempts: whole(row.attempts),
    topic: String(row.aggregatetype),
    key: row.aggregateid === null ? null : String(row.aggregateid),
    message: messageOf(row),
  }
}

/** Deletes these rows and no others: a lower number may be committed later. */
export async function deleteRows(tx: SqlTx, tables: OutboxTables, rows: readonly OutboxRow[]): Promise<number> {
  if (rows.length === 0) return 0
  const statement = sql`delete from ${sql.table(tables.outbox)} where ${these(rows)}`
  return (await tx.query(statement.compile(builder(tx.dialect)).sql)).affected
}

/** By part and number, as they lie in the index. */
export function these(rows: readonly Pick<OutboxRow, 'part' | 'seq'>[]): RawBuilder<unknown> {
  const byPart = [...Map.groupBy(rows, ({ part }) => part)]
  return sql.join(
    byPart.map(([part, ours]) => sql`(part = ${list([part])} and seq in (${list(ours.map(({ seq }) => seq))}))`),
    sql` or `,
  )
}

/** Moves what is due into the outbox, where it gets its place in the order. Whoever else does it meanwhile has it done. @returns how many */
export async function moveDue(tx: SqlTx, tables: OutboxTables, most: number): Promise<number> {
  const { dialect } = tx
  const isLocked = dialect === 'sqlite' || (await lockParts(tx, tables, [MOVER], { most: 1 })).length === 1
  if (!isLocked) return 0
  const { outbox, delayed } = tables
  const select = text(tx, tables, `due ${most}`, () => {
    // One that is being taken back is not waited for.
    const lock = sql.raw(dialect === 'sqlite' ? '' : ' for update skip locked')
    return sql`select seq from ${sql.table(delayed)} where due <= ${sql.raw(NOW[dialect])} order by due, seq limit ${list([most])}${lock}`
  })
  const { rows } = await tx.query(select)
  if (rows.length === 0) return 0
  const seqs = list(rows.map((row) => whole(row.seq)))
  const columns = sql.join(COLUMNS.map((column) => sql.ref(column)))
  const seq = dialect === 'sqlite' ? sql`${nextSeq(outbox)} + row_number() over (order by due, seq)` : undefined
  const insert = sql`insert into ${sql.table(outbox)} (${columns}, created${seq ? sql`, seq` : sql``}) select ${columns}, due${seq ? sql`, ${seq}` : sql``} from ${sql.table(delayed)} where seq in (${seqs}) order by due, seq`
  await tx.query(insert.compile(builder(dialect)).sql)
  await tx.query(sql`delete from ${sql.table(delayed)} where seq in (${seqs})`.compile(builder(dialect)).sql)
  return rows.length
}

/** An integer that is far below 2^53, however the library gives it. */
export const whole = (value: unknown): number => Number(int64(value))
export const maybe = (value: unknown): number | undefined => (value === null || value === undefined ? undefined : whole(value))
export const ALL_PARTS: readonly number[] = Array.from({ length: PARTS }, (_, part) => part)
