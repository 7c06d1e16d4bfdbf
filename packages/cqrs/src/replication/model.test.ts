import { txOf } from '@corebus/sql/internal'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { MIRROR, mirror, PRODUTOS, produto, type Side, side } from '../fixtures/catalog.ts'
import { applyChange } from './apply.ts'
import type { RowChange } from './change.ts'
import { diff, fix } from './diff.ts'
import { syncPage } from './sync.ts'
import type { BoundMaster, BoundReplica } from './workings.ts'

/** COREBUS_RUNS=30000 is the long one, which is run by hand. */
const RUNS = Number(process.env.COREBUS_RUNS) || 400
vi.setConfig({ testTimeout: 600_000 })

/** A null is a delete. */
interface Written {
  readonly key: number
  readonly value: number | null
}

type Step =
  | { readonly kind: 'write'; readonly rows: readonly Written[]; readonly commits: boolean }
  /** A row is written without saying so. */
  | { readonly kind: 'outside'; readonly row: Written; readonly where: 'master' | 'replica' }
  | { readonly kind: 'backfill'; readonly limit: number }
  | { readonly kind: 'deliver' | 'duplicate' | 'drop'; readonly nth: number }
  | { readonly kind: 'fix' }

const nth = fc.nat(9)
const written = fc.record({ key: fc.integer({ min: 1, max: 4 }), value: fc.option(fc.nat(20), { freq: 3 }) })
const commits = fc.integer({ min: 0, max: 5 }).map((n) => n > 0)
const calm: fc.WeightedArbitrary<Step>[] = [
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('write' as const), rows: fc.array(written, { minLength: 1, maxLength: 3 }), commits }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('backfill' as const), limit: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('deliver' as const), nth }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('duplicate' as const), nth }) },
]
const rough: fc.WeightedArbitrary<Step>[] = [
  ...calm,
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop' as const), nth }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('outside' as const),
      row: written,
      where: fc.constantFrom('master' as const, 'replica' as const),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'fix' }) },
]
const stepsOf = (steps: readonly fc.WeightedArbitrary<Step>[]) => fc.array(fc.oneof(...steps), { minLength: 1, maxLength: 25 })

/** A mistake that is made on purpose, to see that the histories find it. */
interface Mutation {
  /** Before a change is applied. */
  readonly before?: (change: RowChange, feed: Side) => RowChange | undefined
  readonly after?: (feed: Side) => void
  readonly written?: (products: Side) => void
}

class World {
  readonly #products: Side
  readonly #feed: Side
  readonly #master: BoundMaster
  readonly #replica: BoundReplica
  readonly #mutation: Mutation
  #cursor = ''
  /** Changes that are on their way. */
  readonly #changes: RowChange[] = []

  constructor(products: Side, feed: Side, mutation: Mutation) {
    this.#products = products
    this.#feed = feed
    this.#mutation = mutation
    this.#master = products.workings.masters[0]!
    this.#replica = feed.workings.replicas[0]!
  }

  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case 'write':
        return this.#write(step.rows, step.commits)
      case 'outside':
        return this.#outside(step)
      case 'backfill':
        return this.#backfill(step.limit)
      case 'fix':
        return void (await this.fix())
      case 'drop':
        return void this.#changes.splice(step.nth % Math.max(this.#changes.length, 1), 1)
      case 'deliver':
      case 'duplicate': {
        const at = step.nth % Math.max(this.#changes.length, 1)
        const change = this.#changes[at]
        if (change) await this.#apply(change)
        if (change && step.kind === 'deliver') this.#changes.splice(at, 1)
      }
    }
  }

  async #write(rows: readonly Written[], isCommitted: boolean): Promise<void> {
    const { write, cqrs } = this.#products
    const keys = rows.map(({ key }) => key)
    const work = write(async (db) => {
      await cqrs.track(db, this.#master.master, keys, () => {
        for (const { key, value } of rows) db.exec(value === null ? `DELETE FROM produtos WHERE sku = ${key}` : upsert(key, value))
      })
      if (!isCommitted) throw new Error('rolled back')
    })
    await work.catch((error: Error) => expect(error.message).toBe('rolled back'))
    this.#take()
    this.#mutation.written?.(this.#products)
  }

  #outside({ row: { key, value }, where }: Extract<Step, { kind: 'outside' }>): void {
    if (where === 'master') this.#products.database.exec(value === null ? `DELETE FROM produtos WHERE sku = ${key}` : upsert(key, value))
    else if (value === null) this.#feed.database.exec(`DELETE FROM produto_mirror WHERE sku = ${key}`)
    else
      this.#feed.database.exec(
        `INSERT INTO produto_mirror (sku, nome, preco, estoque) VALUES (${key}, 'x', ${value}, 0) ON CONFLICT DO UPDATE SET nome = 'x'`,
      )
  }

  async #backfill(limit: number): Promise<void> {
    const { messaging } = this.#products
    const page = await messaging.session((db) => syncPage(this.#master, { db, tx: txOf(db, 'sqlite') }, { after: this.#cursor, limit }))
    this.#cursor = page.last ?? ''
    this.#take()
  }

  /** Finds what differs and mends it. */
  async fix(): Promise<number> {
    const found = await diff(this.#master, this.#replica, { deep: true, settleMs: 0 })
    await fix(this.#master, found)
    this.#take()
    return found.length
  }

  #take(): void {
    this.#products.outbox.commit()
    this.#changes.push(...this.#products.outbox.changes.splice(0))
  }

  async #apply(given: RowChange): Promise<void> {
    const change = this.#mutation.before?.(given, this.#feed) ?? given
    const { logger } = this.#feed.messaging
    await this.#feed.write(async (db, tx) => {
      const table = await this.#replica.table(tx)
      await applyChange(this.#replica, table, change, { db, tx, logger, signal: new AbortController().signal, id: '', headers: {} })
    })
    this.#mutation.after?.(this.#feed)
  }

  /** Delivers all that is on its way, in an order that is none. */
  async drain(order: number): Promise<void> {
    for (let n = order; this.#changes.length > 0; n = (n * 31 + 7) % 1_009) {
      const [change] = this.#changes.splice(n % this.#changes.length, 1)
      if (change) await this.#apply(change)
    }
  }

  rows(): readonly unknown[] {
    const select = 'sku, nome, preco, estoque'
    const ours = this.#products.rows(`SELECT ${select} FROM produtos ORDER BY sku`)
    return [ours, this.#feed.rows(`SELECT ${select} FROM produto_mirror ORDER BY sku`)]
  }
}

const upsert = (key: number, value: number): string =>
  `INSERT INTO produtos (sku, nome, preco, estoque) VALUES (${key}, 'n${value}', ${value}.5, ${value}) ON CONFLICT DO UPDATE SET nome = excluded.nome, preco = excluded.preco, estoque = excluded.estoque`

/** Two databases that are emptied for each history. */
async function histories(mutation: Mutation = {}) {
  const [products, feed] = [await side([produto()], PRODUTOS), await side([mirror()], MIRROR)]
  return (): World => {
    products.database.exec('DELETE FROM produtos; DELETE FROM cqrs_masters')
    feed.database.exec('DELETE FROM produto_mirror; DELETE FROM cqrs_replicas')
    products.outbox.rollBack()
    products.outbox.changes.length = 0
    return new World(products, feed, mutation)
  }
}

type Histories = Awaited<ReturnType<typeof histories>>

/** Nothing is lost: what is on its way ends in the same rows, in whatever order and however often it comes. */
const calmHistories = (fresh: Histories) =>
  fc.asyncProperty(stepsOf(calm), fc.nat(1_008), async (steps, order) => {
    const world = fresh()
    for (const step of steps) await world.do(step)
    await world.drain(order)
    const [ours, theirs] = world.rows()
    expect(theirs).toEqual(ours)
  })

/** Messages are lost and rows are written behind its back: a comparison finds it, and mends it in one go. */
const roughHistories = (fresh: Histories) =>
  fc.asyncProperty(stepsOf(rough), fc.nat(1_008), async (steps, order) => {
    const world = fresh()
    for (const step of steps) await world.do(step)
    await world.drain(order)
    await world.fix()
    await world.drain(order + 1)
    const [ours, theirs] = world.rows()
    expect(theirs).toEqual(ours)
    expect(await world.fix()).toBe(0)
  })

test('a replica ends with the rows of its master, in whatever order changes and backfills come, and however often', async () => {
  await fc.assert(calmHistories(await histories()), { numRuns: RUNS })
})

test('what was lost, or written without saying so, is found by a deep comparison and mended by one run', async () => {
  await fc.assert(roughHistories(await histories()), { numRuns: RUNS })
})

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'takes older changes': {
    before(_, { database }) {
      database.exec('UPDATE cqrs_replicas SET rev = -1')
      return undefined
    },
  },
  'forgets what it has deleted': { after: ({ database }) => database.exec('DELETE FROM cqrs_replicas WHERE gone = 1') },
  'begins anew where a row is made again': { written: ({ database }) => database.exec('DELETE FROM cqrs_masters WHERE gone = 1') },
  'takes a backfill for a new change': {
    before: (change) => (change.kind === 'sync' ? { ...change, revision: change.revision + 1 } : undefined),
  },
}

test.each(Object.entries(MUTATIONS))('the histories find a replication that %s', async (_, mutation) => {
  const { failed } = await fc.check(calmHistories(await histories(mutation)), { numRuns: RUNS, endOnFailure: true })
  expect(failed).toBe(true)
})
