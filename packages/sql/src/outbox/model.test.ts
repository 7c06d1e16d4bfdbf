import { CorebusError, type Message } from '@corebus/core'
import fc from 'fast-check'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { SqlDatabase } from '../database/database.ts'
import { migrate } from '../database/schema.ts'
import { type ClockedDatabase, clockedDatabase } from '../fixtures/clock.ts'
import { message } from '../fixtures/outbox-suite.ts'
import { takeLease } from '../relay/lease.ts'
import { ALL_PARTS, look, moveDue } from '../relay/rows.ts'
import { leasedTurn } from '../relay/turn.ts'
import { sqliteSession } from '../session/sqlite.ts'
import type { SqlTx } from '../tx/sql-tx.ts'
import { outboxFeature, tablesOf } from './tables.ts'
import { cancelDelayed, writeMessages } from './write.ts'

const RUNS = 1_000
const LEASE_MS = 500
const MOST_MOVED = 2
const tables = tablesOf('outbox')
const logger = pino({ level: 'silent' })
const KEYS = ['a', 'b', 'c'] as const

/** `dies` and `is away` delete nothing; the first has published all the same. */
type Ending = 'goes well' | 'dies' | 'is away'

type Step =
  | { readonly kind: 'write'; readonly key: number; readonly commits: boolean }
  /** `again`: under an id that was used before, if there is one. A negative `ms` is a time that is past. */
  | {
      readonly kind: 'delay'
      readonly key: number
      readonly ms: number
      readonly by: 'delayMs' | 'at'
      readonly commits: boolean
      readonly again?: number
    }
  | { readonly kind: 'cancel'; readonly nth: number; readonly commits: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  /** `meanwhile` happens while the broker is waited for. */
  | { readonly kind: 'relay'; readonly relay: number; readonly ending: Ending; readonly meanwhile: readonly Step[] }

const key = fc.nat(KEYS.length - 1)
const commits = fc.integer({ min: 0, max: 4 }).map((n) => n > 0)

const { step } = fc.letrec<{ step: Step }>((tie) => ({
  step: fc.oneof(
    { depthSize: 'small', maxDepth: 2 },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('write' as const), key, commits }) },
    {
      weight: 3,
      arbitrary: fc.record(
        {
          kind: fc.constant('delay' as const),
          key,
          ms: fc.integer({ min: -300, max: 900 }),
          by: fc.constantFrom('delayMs' as const, 'at' as const),
          commits,
          again: fc.nat(3),
        },
        { requiredKeys: ['kind', 'key', 'ms', 'by', 'commits'] },
      ),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), nth: fc.nat(5), commits }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 700 }) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('relay' as const),
        relay: fc.nat(2),
        ending: fc.constantFrom<Ending>('goes well', 'goes well', 'dies', 'is away'),
        meanwhile: fc.array(tie('step'), { maxLength: 3 }),
      }),
    },
  ),
}))

interface Row {
  readonly id: string
  readonly key: string
}

interface Delayed extends Row {
  readonly due: number
}

/** A model of what the statements are for, as lists of a program. */
class Model {
  delayed: readonly Delayed[] = []
  /** In the order in which they got their places. */
  outbox: readonly Row[] = []
  holder: { readonly owner: string; readonly fence: number; readonly until: number } | undefined
  fence = 0

  /** The earliest first; of the same time those that were written first. */
  move(nowMs: number): number {
    const due = this.delayed.filter((row) => row.due <= nowMs).sort((a, b) => a.due - b.due)
    const moved = due.slice(0, MOST_MOVED)
    this.delayed = this.delayed.filter((row) => !moved.includes(row))
    this.outbox = [...this.outbox, ...moved]
    return moved.length
  }
}

const byKey = (rows: readonly { readonly id: string; readonly key?: string }[]): unknown =>
  KEYS.map((one) => rows.filter((row) => row.key === one).map(({ id }) => id))

const seen = { delayed: 0, again: 0, cancelled: 0, tooLate: 0, moved: 0, published: 0, busy: 0, late: 0, idle: 0 }

class World {
  readonly #clocked: ClockedDatabase
  readonly #database: SqlDatabase
  readonly #model = new Model()
  /** Ids of delayed messages, in the order of their first use. */
  readonly #used: string[] = []
  #ids = 0

  constructor(clocked: ClockedDatabase, database: SqlDatabase) {
    this.#clocked = clocked
    this.#database = database
  }

  run(one: Step): Promise<void> | void {
    switch (one.kind) {
      case 'write':
        return this.#write(one)
      case 'delay':
        return this.#delay(one)
      case 'cancel':
        return this.#cancel(one)
      case 'wait':
        this.#clocked.nowMs += one.ms
        return
      case 'relay':
        return this.#relay(one)
    }
  }

  /** In a transaction, which ends as the step says. */
  async #transaction<T>(commits: boolean, work: (tx: SqlTx) => Promise<T>): Promise<T> {
    let result: { readonly value: T } | undefined
    const ended = this.#database.transaction(async (tx) => {
      result = { value: await work(tx) }
      if (!commits) throw new Error('rolled back')
    })
    await ended.catch((thrown) => {
      if (!result) throw thrown
    })
    if (!result) throw new Error('work that has not run')
    return result.value
  }

  async #write({ key, commits }: Step & { kind: 'write' }): Promise<void> {
    const row = { id: `m${this.#ids++}`, key: KEYS[key] ?? 'a' }
    await this.#transaction(commits, (tx) => writeMessages(tx, { tables, where: 'memory' }, [{ message: message(row.id, row) }]))
    if (commits) this.#model.outbox = [...this.#model.outbox, row]
  }

  async #delay({ key, ms, by, commits, again }: Step & { kind: 'delay' }): Promise<void> {
    const { nowMs } = this.#clocked
    const before = again === undefined ? undefined : this.#used[again]
    const due = by === 'at' ? Math.max(nowMs + ms, nowMs) : nowMs + Math.abs(ms)
    const row = { id: before ?? `d${this.#ids++}`, key: KEYS[key] ?? 'a', due }
    const isWaiting = this.#model.delayed.some(({ id }) => id === row.id)
    const write = (topic: string) =>
      this.#transaction(commits, (tx) =>
        writeMessages(tx, { tables, where: 'memory' }, [
          { message: message(row.id, { ...row, topic }), due: by === 'at' ? { at: nowMs + ms } : { afterMs: Math.abs(ms) } },
        ]),
      )
    if (isWaiting) await expect(write('others')).rejects.toMatchObject({ code: 'OUTBOX_ID' })
    await write('orders')
    if (commits && isWaiting) seen.again++
    if (!commits || isWaiting) return
    this.#model.delayed = [...this.#model.delayed, row]
    if (before === undefined) this.#used.push(row.id)
    seen.delayed++
  }

  async #cancel({ nth, commits }: Step & { kind: 'cancel' }): Promise<void> {
    const id = this.#used[nth] ?? 'nobody'
    const cameInTime = await this.#transaction(commits, (tx) => cancelDelayed(tx, tables, id))
    expect(cameInTime).toBe(this.#model.delayed.some((row) => row.id === id))
    if (cameInTime && commits) this.#model.delayed = this.#model.delayed.filter((row) => row.id !== id)
    if (cameInTime) seen.cancelled++
    else seen.tooLate++
  }

  async #relay({ relay, ending, meanwhile }: Step & { kind: 'relay' }): Promise<void> {
    const back = await this.#looks()
    await this.#moves()
    const model = this.#model
    const owner = `relay-${relay}`
    const lease = await takeLease(this.#database, tables, { owner, back, leaseMs: LEASE_MS })
    const { nowMs } = this.#clocked
    const isFree = !model.holder || model.holder.owner === owner || model.holder.until <= nowMs
    expect(lease !== undefined).toBe(isFree)
    if (!lease) {
      seen.busy++
      return
    }
    const fence = ++model.fence
    model.holder = { owner, fence, until: nowMs + LEASE_MS }
    const rows = model.outbox
    const isHolder = () => model.holder?.fence === fence
    let failure: Error | undefined
    const publish = async (messages: readonly Message[]) => {
      try {
        expect(byKey(messages)).toEqual(byKey(rows))
        seen.published += messages.length
        for (const one of meanwhile) await this.run(one)
      } catch (thrown) {
        // A relay takes whatever a broker throws for one that is away.
        failure = thrown as Error
      }
      if (ending !== 'goes well') throw new Error(ending)
    }
    const options = { tables, logger, attempts: 1, retryMs: 1, holds: () => false, holdsSome: false, publish }
    const turn = leasedTurn(this.#database, lease, ALL_PARTS, options)
    const late = await turn.then(
      () => false,
      (thrown) => thrown instanceof CorebusError && thrown.code === 'RELAY_LATE',
    )
    if (failure) throw failure
    expect(late).toBe(!isHolder())
    if (late) seen.late++
    if (ending === 'goes well' && !late) model.outbox = model.outbox.filter((row) => !rows.includes(row))
    // One that is dead gives nothing back: its lease runs out.
    if (ending === 'dies' && isHolder()) model.holder = { owner, fence, until: this.#clocked.nowMs + LEASE_MS }
    else {
      await this.#database.transaction((tx) => lease.release(tx))
      if (isHolder()) model.holder = undefined
    }
  }

  async #looks(): Promise<readonly number[]> {
    const { nowMs } = this.#clocked
    let statements = 0
    const seenNow = await this.#database.read((tx) =>
      look(
        {
          dialect: tx.dialect,
          query(text, params) {
            statements++
            return tx.query(text, params)
          },
        },
        tables,
      ),
    )
    expect(statements).toBe(1)
    const next = Math.min(...this.#model.delayed.map(({ due }) => due))
    expect(seenNow.delayedInMs).toBe(next === Number.POSITIVE_INFINITY ? undefined : Math.max(0, next - nowMs))
    expect(seenNow.parts.length > 0).toBe(this.#model.outbox.length > 0)
    // Rows whose time has not come are no older than nothing.
    if (this.#model.outbox.length === 0) expect(seenNow.oldestMs).toBe(Math.max(0, nowMs - next))
    return seenNow.back
  }

  async #moves(): Promise<void> {
    const before = this.#changes()
    const moved = await this.#database.transaction((tx) => moveDue(tx, tables, MOST_MOVED))
    expect(moved).toBe(this.#model.move(this.#clocked.nowMs))
    // Each row that moves is written once and deleted once; those that are not due are left alone.
    expect(this.#changes() - before).toBe(moved * 2)
    seen.moved += moved
    if (moved === 0 && this.#model.delayed.length > 0) seen.idle++
  }

  #changes(): number {
    return Number(this.#clocked.database.prepare('SELECT total_changes() AS n').get()?.n)
  }

  /** Time passes, and one relay is alone: everything leaves. */
  async drain(): Promise<void> {
    this.#clocked.nowMs += 10_000
    while (this.#model.delayed.length + this.#model.outbox.length > 0)
      await this.run({ kind: 'relay', relay: 3, ending: 'goes well', meanwhile: [] })
    for (const table of [tables.outbox, tables.delayed])
      expect(this.#clocked.database.prepare(`SELECT count(*) AS n FROM ${table}`).get()).toEqual({ n: 0 })
  }
}

test(`${RUNS} histories of delayed messages: each leaves when it is due and not before, in its place of its key, unless it was taken back in time`, async () => {
  const clocked = clockedDatabase()
  const { database } = sqliteSession(clocked.database)
  await migrate(database, [outboxFeature('outbox')])
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12, size: 'max' }), async (steps) => {
      clocked.database.exec(
        'DELETE FROM outbox; DELETE FROM outbox_delayed; UPDATE outbox_parts SET back = NULL, fence = 0, owner = NULL, expires = 0',
      )
      const world = new World(clocked, database)
      for (const one of steps) await world.run(one)
      await world.drain()
    }),
    { numRuns: RUNS },
  )
  // The histories had all of it.
  expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(50)
  clocked.database.close()
}, 300_000)
