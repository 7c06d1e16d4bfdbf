import { sql } from 'kysely'
import type { Transacts } from '../database/database.ts'
import { builder, NOW } from '../database/statements.ts'
import { MOVER, type OutboxTables } from '../outbox/tables.ts'
import { isDead } from '../process/owner.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import { whole } from './rows.ts'
import { bringBack } from './settle.ts'

/** How long a relay that hangs, or whose machine is gone, keeps others from its rows, on SQLite. */
const LEASE_MS = 10_000

/** The right to relay, where no lock may be held while the broker is waited for. */
export interface Lease {
  /** Keeps it for longer; false when another relay has it by now. In a transaction that writes: what that does is done by its holder or by nobody. */
  keep(tx: SqlTx): Promise<boolean>
  /** Gives it back. */
  release(tx: SqlTx): Promise<void>
  /** Runs `work` and keeps the lease meanwhile. */
  during<T>(work: () => Promise<T>): Promise<T>
}

export interface LeaseOptions {
  /** Who takes it. Its own earlier lease is over then. */
  readonly owner: string
  /** Parts whose refused rows are to be tried again. */
  readonly back: readonly number[]
  readonly leaseMs?: number | undefined
}

/** Undefined while another relay has it. */
export function takeLease(
  transacts: Transacts,
  tables: OutboxTables,
  { owner, back, leaseMs = LEASE_MS }: LeaseOptions,
): Promise<Lease | undefined> {
  const { parts } = tables
  const dialect = 'sqlite'
  const expires = sql.raw(`${NOW[dialect]} + ${leaseMs}`)
  const compile = (statement: ReturnType<typeof sql>): string => statement.compile(builder(dialect)).sql
  const mover = sql.raw(String(MOVER))
  const mark = sql.raw('?')
  const take = compile(
    sql`update ${sql.table(parts)} set owner = ${mark}, fence = fence + 1, expires = ${expires} where part = ${mover} and (owner is null or owner in (${mark}, ${mark}) or expires <= ${sql.raw(NOW[dialect])})`,
  )
  const held = compile(sql`select owner, fence from ${sql.table(parts)} where part = ${mover}`)
  const ours = sql`where part = ${mover} and owner = ${mark} and fence = ${mark}`
  const renew = compile(sql`update ${sql.table(parts)} set expires = ${expires} ${ours}`)
  const free = compile(sql`update ${sql.table(parts)} set owner = null, expires = 0 ${ours}`)
  return transacts.transaction(async (tx) => {
    const before = (await tx.query(held)).rows[0]?.owner
    // A process that was killed is not waited for.
    const dead = typeof before === 'string' && isDead(before) ? before : owner
    if ((await tx.query(take, [owner, owner, dead])).affected === 0) return undefined
    await bringBack(tx, tables, back)
    const fence = whole((await tx.query(held)).rows[0]?.fence)
    const keep = async (within: SqlTx): Promise<boolean> => (await within.query(renew, [owner, fence])).affected === 1
    return {
      keep,
      async release(within) {
        await within.query(free, [owner, fence])
      },
      async during(work) {
        // Never rejects: a lease that could not be kept is found out by who deletes with it.
        let renewing: Promise<unknown> = Promise.resolve()
        const timer = setInterval(() => {
          renewing = renewing.then(() => transacts.transaction(keep)).catch(() => undefined)
        }, leaseMs / 3)
        try {
          return await work()
        } finally {
          clearInterval(timer)
          await renewing
        }
      },
    }
  })
}
