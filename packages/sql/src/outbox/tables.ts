import { type RawBuilder, sql } from 'kysely'
import type { Feature } from '../database/schema.ts'
import { builder, NOW } from '../database/statements.ts'
import type { Dialect } from '../tx/sql-tx.ts'

/**
 * SQLite: the number of the next row. None is given again, since a dead row keeps its own, and it begins with the clock where the table is empty:
 * AUTOINCREMENT remembers it in a page that every commit writes, and commits take a third longer.
 */
export const nextSeq = (outbox: string): RawBuilder<number> =>
  sql`(select max(coalesce(max(seq), 0) + 1, ${sql.raw(NOW.sqlite)} * 1000) from ${sql.table(outbox)})`

/** The names of an outbox's tables. */
export interface OutboxTables {
  readonly outbox: string
  readonly delayed: string
  readonly dead: string
  readonly parts: string
}

/** How many parts the rows of an outbox are in. It is written into every row, so it is the same for all releases. */
export const PARTS = 16
/** The row of the parts table that whoever moves delayed rows holds. */
export const MOVER = -1
/** The row of the parts table that says whose outbox it is: which service publishes what is in it, and where to. */
export const MARK = -2
/** A row that was refused, and what waits behind it, lies this much higher until its next attempt: no relay looks there. */
export const ASIDE = 100
/** A row whose key is held by a dead one lies this much higher until somebody decides about the dead one. */
export const HELD = 200

/** On PostgreSQL a row goes into one of so many tables, each of which is written for so long in turn: `emptyTables` says why. */
export const SLOTS = 3
export const SLOT_S = 5

/** @example slotOf('app.outbox', 0) === 'app.outbox_0' */
export const slotOf = (outbox: string, n: number): string => `${outbox}_${n}`

/** @example tablesOf('app.outbox').dead === 'app.outbox_dead' */
export function tablesOf(table: string): OutboxTables {
  return { outbox: table, delayed: `${table}_delayed`, dead: `${table}_dead`, parts: `${table}_parts` }
}

export function outboxFeature(table: string): Feature {
  return { name: table, version: 1, ddl: (dialect) => DDL[dialect](quoted(dialect, tablesOf(table)), indexName(dialect, table)) }
}

/** As statements have them. PostgreSQL alone has more than one table for what is to be published: see `slotOf`. */
interface Quoted extends OutboxTables {
  readonly seq: string
  readonly slots: readonly string[]
}

function quoted(dialect: Dialect, { outbox, delayed, dead, parts }: OutboxTables): Quoted {
  const of = (name: string): string => sql.table(name).compile(builder(dialect)).sql
  const slots = Array.from({ length: SLOTS }, (_, n) => of(slotOf(outbox, n)))
  return { outbox: of(outbox), delayed: of(delayed), dead: of(dead), parts: of(parts), seq: of(`${outbox}_seq`), slots }
}

/** Indexes are named without the schema of their table, but on SQLite, where they are in the schema that is said. */
function indexName(dialect: Dialect, table: string): (suffix: string) => string {
  const own = dialect === 'sqlite' ? table : (table.split('.').at(-1) ?? table)
  return (suffix) => sql.table(`${own}_${suffix}`).compile(builder(dialect)).sql
}

type Ddl = (tables: Quoted, index: (suffix: string) => string) => readonly string[]

/** Vacuumed by how much was deleted and not by how much is there, which is nothing most of the time. */
const VACUUMED = 'WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)'
const NAME = 'varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'
const BODY = 'mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'

/** What every table has of a message. */
const message = (name: string, body: string, whole: string): string =>
  `id ${name} NOT NULL, aggregatetype ${name} NOT NULL, aggregateid ${name}, type ${name}, payload ${body} NOT NULL, headers ${body} NOT NULL, ` +
  `correlationid ${name}, traceparent ${name}, extras ${body}, attempts ${whole} NOT NULL DEFAULT 0, created bigint NOT NULL`

/** The table that is being written now, by the clock. */
const SLOT = `CAST(extract(epoch FROM clock_timestamp()) AS bigint) / ${SLOT_S} % ${SLOTS}`

const partRows = (parts: string, before: string, after: string): string =>
  `${before} INTO ${parts} (part) VALUES ${[MARK, MOVER, ...Array.from({ length: PARTS }, (_, part) => part)].map((part) => `(${part})`).join(', ')}${after}`

const DDL: Readonly<Record<Dialect, Ddl>> = {
  postgres: ({ outbox, delayed, dead, parts, seq, slots }, index) => {
    const columns = message('text', 'text', 'integer')
    return [
      `CREATE SEQUENCE IF NOT EXISTS ${seq}`,
      `CREATE TABLE IF NOT EXISTS ${outbox} (seq bigint NOT NULL DEFAULT nextval('${seq}'), slot smallint NOT NULL DEFAULT (${SLOT}), part smallint NOT NULL, ${columns}, PRIMARY KEY (part, seq, slot)) PARTITION BY LIST (slot)`,
      `ALTER SEQUENCE ${seq} OWNED BY ${outbox}.seq`,
      ...slots.map((name, n) => `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF ${outbox} FOR VALUES IN (${n}) ${VACUUMED}`),
      `CREATE TABLE IF NOT EXISTS ${delayed} (seq bigserial PRIMARY KEY, part smallint NOT NULL, due bigint NOT NULL, ${columns}) ${VACUUMED}`,
      `CREATE UNIQUE INDEX IF NOT EXISTS ${index('delayed_id')} ON ${delayed} (id)`,
      `CREATE INDEX IF NOT EXISTS ${index('delayed_due')} ON ${delayed} (due, seq)`,
      `CREATE TABLE IF NOT EXISTS ${dead} (seq bigint PRIMARY KEY, part smallint NOT NULL, holds smallint NOT NULL, error text NOT NULL, died bigint NOT NULL, ${columns})`,
      `CREATE INDEX IF NOT EXISTS ${index('dead_holds')} ON ${dead} (part, holds)`,
      `CREATE TABLE IF NOT EXISTS ${parts} (part smallint PRIMARY KEY, back bigint, fence bigint NOT NULL DEFAULT 0, owner text, expires bigint NOT NULL DEFAULT 0)`,
      partRows(parts, 'INSERT', ' ON CONFLICT (part) DO NOTHING'),
    ]
  },
  mysql: ({ outbox, delayed, dead, parts }, index) => {
    const columns = message(NAME, BODY, 'integer')
    const engine = 'ENGINE = InnoDB'
    return [
      `CREATE TABLE IF NOT EXISTS ${outbox} (seq bigint NOT NULL AUTO_INCREMENT, part smallint NOT NULL, ${columns}, PRIMARY KEY (part, seq), KEY ${index('seq')} (seq)) ${engine}`,
      `CREATE TABLE IF NOT EXISTS ${delayed} (seq bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, part smallint NOT NULL, due bigint NOT NULL, ${columns}, UNIQUE KEY ${index('delayed_id')} (id), KEY ${index('delayed_due')} (due, seq)) ${engine}`,
      `CREATE TABLE IF NOT EXISTS ${dead} (seq bigint NOT NULL PRIMARY KEY, part smallint NOT NULL, holds smallint NOT NULL, error ${BODY} NOT NULL, died bigint NOT NULL, ${columns}, KEY ${index('dead_holds')} (part, holds)) ${engine}`,
      `CREATE TABLE IF NOT EXISTS ${parts} (part smallint NOT NULL PRIMARY KEY, back bigint, fence bigint NOT NULL DEFAULT 0, owner ${NAME}, expires bigint NOT NULL DEFAULT 0) ${engine}`,
      partRows(parts, 'INSERT IGNORE', ''),
    ]
  },
  sqlite: ({ outbox, delayed, dead, parts }, index) => {
    const columns = message('text', 'text', 'integer')
    return [
      `CREATE TABLE IF NOT EXISTS ${outbox} (seq integer PRIMARY KEY, part integer NOT NULL, ${columns})`,
      `CREATE INDEX IF NOT EXISTS ${index('part')} ON ${outbox} (part, seq)`,
      `CREATE TABLE IF NOT EXISTS ${delayed} (seq integer PRIMARY KEY AUTOINCREMENT, part integer NOT NULL, due integer NOT NULL, ${columns})`,
      `CREATE UNIQUE INDEX IF NOT EXISTS ${index('delayed_id')} ON ${delayed} (id)`,
      `CREATE INDEX IF NOT EXISTS ${index('delayed_due')} ON ${delayed} (due, seq)`,
      `CREATE TABLE IF NOT EXISTS ${dead} (seq integer PRIMARY KEY, part integer NOT NULL, holds integer NOT NULL, error text NOT NULL, died integer NOT NULL, ${columns})`,
      `CREATE INDEX IF NOT EXISTS ${index('dead_holds')} ON ${dead} (part, holds)`,
      `CREATE TABLE IF NOT EXISTS ${parts} (part integer PRIMARY KEY, back integer, fence integer NOT NULL DEFAULT 0, owner text, expires integer NOT NULL DEFAULT 0)`,
      partRows(parts, 'INSERT', ' ON CONFLICT (part) DO NOTHING'),
    ]
  },
}
