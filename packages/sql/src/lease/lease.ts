import { randomUUID } from 'node:crypto'
import { CorebusError } from '@corebus/core'
import { checkOptions, milliseconds, must, type Option } from '@corebus/core/internal'
import type { SqlDatabase } from '../database/database.ts'
import { DATABASE, type DatabaseLike, databaseFor } from '../database/for.ts'
import type { Feature } from '../database/schema.ts'
import { answering } from '../database/silent.ts'
import { tableOption } from '../database/table.ts'
import { atMost, slept } from '../process/every.ts'
import { type Holding, whileHeld } from './holding.ts'
import { type Held, type LeaseStore, leaseFeature, leaseStore } from './store.ts'

export interface SqlLeasesOptions {
  /** Sessions of @corebus/sql, or a database. */
  readonly database: DatabaseLike
  /** Default `leases`. */
  readonly table?: string
}

export const SQL_LEASES: Readonly<Record<keyof SqlLeasesOptions, Option>> = {
  database: {
    ...DATABASE,
    default: 'none: it must be given',
    text: 'sessions of @corebus/sql (`kyselySession(db)`, `pgSession(pool)` ...)',
  },
  table: tableOption('leases'),
}

export interface LeaseOptions {
  /** How long the lease is kept after its holder has died. It is renewed three times in this time. Default 30,000. */
  readonly ttlMs?: number
  /** Ends the waiting for the lease. It does not end the work. */
  readonly signal?: AbortSignal
}

export const LEASE: Readonly<Record<keyof LeaseOptions, Option>> = {
  ttlMs: {
    default: 30_000,
    must: milliseconds(30),
    text: 'how long the lease is kept after its holder has died; it is renewed three times in this time. A process whose event loop stands still for longer loses it',
  },
  signal: {
    default: 'none',
    must: must('an AbortSignal', (value) => value instanceof AbortSignal),
    text: 'ends the waiting for a lease that somebody else has: `lease` rejects with its reason',
  },
}

/** What `tryLease` came to. */
export type Tried<T> = { readonly held: true; readonly result: T } | { readonly held: false }

/** Leases in one table. */
export interface SqlLeases {
  /** Its table, for `migrate`. */
  readonly feature: Feature
  /**
   * Waits until nobody has the lease, runs `work` with it and gives it back. The lease is renewed while the work runs. When the process dies, another one
   * has it after `ttlMs`.
   * @throws what the work throws; CorebusError LEASE_LOST when the lease was lost before the work ended, whatever became of it; the reason of `signal`;
   * an error of the database, when the lease could not be asked for
   */
  lease<T>(name: string, options: LeaseOptions, work: (holding: Holding) => Promise<T> | T): Promise<T>
  /** The same, unless somebody has it: then it resolves at once with `{ held: false }`. */
  tryLease<T>(name: string, options: LeaseOptions, work: (holding: Holding) => Promise<T> | T): Promise<Tried<T>>
}

/** How often who waits looks whether a lease was given back. */
const LOOK_MS = 500

/**
 * Leases with a fencing token, for what one process of all may do at a time. Every comparison with time is made with the database's clock.
 * @throws CorebusError OPTION, SQL_DATABASE
 * @example
 * const { lease } = sqlLeases({ database: kyselySession(db) })
 * await lease('nightly-report', { ttlMs: 30_000 }, async ({ fence, signal }) => report({ fence, signal }))
 */
export function sqlLeases(options: SqlLeasesOptions): SqlLeases {
  checkOptions('sqlLeases', options, SQL_LEASES)
  const { database: given, table = 'leases' } = options
  const database = answering(databaseFor('sqlLeases', given, undefined))
  const store = leaseStore(database.dialect, table)
  const tryLease: SqlLeases['tryLease'] = async (name, leaseOptions, work) => {
    checkLease('tryLease', name, leaseOptions)
    const taken = await taking(database, store, name, leaseOptions.ttlMs)
    return taken ? { held: true, result: await worked(database, store, taken, work) } : { held: false }
  }
  return {
    feature: leaseFeature(table),
    tryLease,
    async lease(name, leaseOptions, work) {
      checkLease('lease', name, leaseOptions)
      const { signal = new AbortController().signal, ttlMs } = leaseOptions
      for (;;) {
        signal.throwIfAborted()
        const leftMs = await database.read((tx) => store.left(tx, name))
        const taken = leftMs === 0 ? await taking(database, store, name, ttlMs) : undefined
        if (taken) return worked(database, store, taken, work)
        // Not all at once.
        await slept(Math.min(leftMs, LOOK_MS) * (0.5 + Math.random() / 2) + 1, signal, true)
      }
    },
  }
}

interface Taken {
  readonly held: Held
  readonly ttlMs: number
  readonly takenAt: number
}

async function taking(database: SqlDatabase, store: LeaseStore, name: string, ttlMs = 30_000): Promise<Taken | undefined> {
  const takenAt = performance.now()
  const held = await database.transaction((tx) => store.take(tx, name, randomUUID(), ttlMs))
  return held && { held, ttlMs, takenAt }
}

async function worked<T>(database: SqlDatabase, store: LeaseStore, taken: Taken, work: (holding: Holding) => Promise<T> | T): Promise<T> {
  try {
    return await whileHeld({ database, store, ...taken }, work)
  } finally {
    // Where it fails the lease ends by itself, and by then at the latest nobody waits for this.
    const released = database
      .transaction((tx) => store.release(tx, taken.held))
      .then(
        () => undefined,
        () => undefined,
      )
    await atMost(taken.ttlMs, released)
  }
}

const NAME = /^[!-~]{1,200}$/

/** @throws CorebusError NAME, OPTION */
export function checkLeaseName(what: string, name: unknown): void {
  if (typeof name === 'string' && NAME.test(name)) return
  throw new CorebusError(
    'NAME',
    `${what} has the name ${typeof name === 'string' ? JSON.stringify(name.slice(0, 60)) : String(typeof name)}: it must be 1 to 200 letters, digits and signs of ASCII, without spaces`,
  )
}

function checkLease(where: string, name: unknown, options: unknown): void {
  checkLeaseName('a lease', name)
  checkOptions(`${where}(${name})`, options, LEASE)
}
