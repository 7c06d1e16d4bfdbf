import { sql } from 'kysely'
import type { Feature } from '../database/schema.ts'
import { builder, now, run } from '../database/statements.ts'
import { quoted } from '../database/table.ts'
import { type Dialect, int64, type SqlTx } from '../tx/sql-tx.ts'

/** The columns of a lease, which other tables may have beside their own. */
export interface LeaseRow {
  name: string
  /** Who has it. Empty when it was given back. */
  owner: string
  /** It grows each time that somebody takes the lease. */
  fence: number
  /** When it ends, by the database's clock, in ms since the epoch. */
  expires: number
}

/** Column definitions of a lease. Names are compared byte by byte. */
export const LEASE_COLUMNS: Readonly<Record<Dialect, string>> = {
  postgres: 'name text COLLATE "C" PRIMARY KEY, owner text NOT NULL, fence bigint NOT NULL, expires bigint NOT NULL',
  mysql:
    'name varchar(200) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, owner varchar(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, fence bigint NOT NULL, expires bigint NOT NULL',
  sqlite: 'name TEXT PRIMARY KEY NOT NULL, owner TEXT NOT NULL, fence INTEGER NOT NULL, expires INTEGER NOT NULL',
}

export function leaseFeature(table: string): Feature {
  return {
    name: table,
    version: 1,
    ddl: (dialect) => [
      `CREATE TABLE IF NOT EXISTS ${quoted(dialect, table)} (${LEASE_COLUMNS[dialect]})${dialect === 'mysql' ? ' ENGINE = InnoDB' : ''}`,
    ],
  }
}

/** A lease that somebody took. */
export interface Held {
  readonly name: string
  readonly owner: string
  readonly fence: number
}

/** What is done to leases, each in a transaction that its caller opens. */
export interface LeaseStore {
  /** How long somebody has the lease still, in ms; 0 when it is free. */
  left(tx: SqlTx, name: string): Promise<number>
  /** The lease when it was free, with a fence that is greater than any before. Undefined while somebody has it. */
  take(tx: SqlTx, name: string, owner: string, ttlMs: number): Promise<Held | undefined>
  /** Keeps it for `ttlMs` from now, also when it has ended and nobody has taken it. False when somebody has. */
  renew(tx: SqlTx, held: Held, ttlMs: number): Promise<boolean>
  /** Gives it back. False when somebody else has taken it. */
  release(tx: SqlTx, held: Held): Promise<boolean>
}

export function leaseStore(dialect: Dialect, table: string): LeaseStore {
  // Kysely takes the name as it is given, and quotes it; its types want to know it beforehand.
  const leases = table as 'leases'
  const db = builder<{ leases: LeaseRow }>(dialect)
  const time = now(dialect)
  const ours = ({ name, owner, fence }: Held) =>
    db.updateTable(leases).where('name', '=', name).where('owner', '=', owner).where('fence', '=', fence)
  return {
    async left(tx, name) {
      const { rows } = await run(tx, db.selectFrom(leases).select(sql<number>`expires - ${time}`.as('left')).where('name', '=', name))
      return Math.max(0, Number(rows[0]?.left ?? 0))
    },
    async take(tx, name, owner, ttlMs) {
      const expires = sql<number>`${time} + ${Math.ceil(ttlMs)}`
      const taken = await run(
        tx,
        db
          .updateTable(leases)
          .set((row) => ({ owner, fence: row('fence', '+', 1), expires }))
          .where('name', '=', name)
          .where('expires', '<=', time),
      )
      if (taken.affected > 0) {
        const { rows } = await run(tx, db.selectFrom(leases).select('fence').where('name', '=', name))
        return { name, owner, fence: Number(int64(rows[0]?.fence)) }
      }
      // The first time, or somebody has it. Not before the UPDATE: on MariaDB an INSERT that finds a row locks it for reading, and two who then write it are a deadlock.
      const insert = db.insertInto(leases).values({ name, owner, fence: 1, expires })
      const made = await run(tx, dialect === 'mysql' ? insert.ignore() : insert.onConflict((conflict) => conflict.doNothing()))
      return made.affected > 0 ? { name, owner, fence: 1 } : undefined
    },
    async renew(tx, held, ttlMs) {
      const renewed = await run(tx, ours(held).set({ expires: sql<number>`${time} + ${Math.ceil(ttlMs)}` }))
      return renewed.affected > 0
    },
    async release(tx, held) {
      const released = await run(tx, ours(held).set({ owner: '', expires: 0 }))
      return released.affected > 0
    },
  }
}
