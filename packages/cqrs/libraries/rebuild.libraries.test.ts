import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { type SqlSessions, sqliteSession } from '@corebus/sql'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { type Projected, projected } from '../src/fixtures/projected.ts'
import { OrderCreated, type Published, published } from '../src/fixtures/shop.ts'

const { postgres } = inject('stores')
const open = inject('clientsInstalled') ? await import('./open.ts') : undefined

/** COREBUS_ORDERS=100000 is the large one, which is run by hand. */
const ORDERS = Number(process.env.COREBUS_ORDERS) || 2_000
const USERS = 100
const EVERY_MS = 10

const created = (id: number): Published =>
  published(OrderCreated, { id, user_id: id % USERS, total: id, at: `2026-12-01T${id}` } as { id: number })

async function rebuilt(sessions: SqlSessions<unknown>): Promise<void> {
  const table = `r${process.pid}`
  const shown = await projected(sessions, { table, migrated: false })
  for (const collection of ['orders', 'users']) for (let n = 1; n < 12; n++) await shown.workings.store.drop(`${collection}__${n}`)
  await shown.views.migrate()
  const filledFrom = performance.now()
  await fill(shown)
  const filledMs = performance.now() - filledFrom
  let next = ORDERS
  let isOver = false
  let longestReadMs = 0
  const arriving = async (): Promise<void> => {
    for (; !isOver; await pause(EVERY_MS)) await shown.handle(created(++next))
  }
  const least = Math.floor(ORDERS / USERS)
  const reading = async (): Promise<void> => {
    for (; !isOver; await pause(EVERY_MS)) {
      const readAt = performance.now()
      const { items } = await shown.docs.orders.find({ where: { user_id: 7 }, sort: '-created_at', limit: 1_000 })
      longestReadMs = Math.max(longestReadMs, performance.now() - readAt)
      expect(items.length).toBeGreaterThanOrEqual(Math.min(least, 1_000))
    }
  }
  const rebuilding = async () => {
    const from = performance.now()
    try {
      const done = await shown.views.rebuild('shop')
      return { ...done, ms: performance.now() - from }
    } finally {
      isOver = true
    }
  }
  const [done] = await Promise.all([rebuilding(), arriving(), reading()])
  expect(await shown.workings.store.count(`orders__${done.generation}`)).toBe(next)
  console.log(
    `${sessions.database.dialect}: ${ORDERS} orders handled in ${(filledMs / 1_000).toFixed(1)} s, rebuilt in ${(done.ms / 1_000).toFixed(1)} s with ${next - ORDERS} arriving; consumers held ${done.heldMs.toFixed(1)} ms, longest read ${longestReadMs.toFixed(0)} ms`,
  )
}

async function fill(shown: Projected): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => {
    while (next < ORDERS) await shown.handle(created(++next))
  }
  await Promise.all(Array.from({ length: 10 }, work))
}

describe(`a rebuild of ${ORDERS} orders while others arrive ends with all of them, and readers see no gap`, { timeout: 3_600_000 }, () => {
  test('on a file of SQLite', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'corebus-cqrs-'))
    const database = new DatabaseSync(join(folder, 'shop.db'))
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    onTestFinished(() => {
      database.close()
      rmSync(folder, { recursive: true, force: true })
    })
    await rebuilt(sqliteSession(database) as unknown as SqlSessions<unknown>)
  })

  test.skipIf(!open || !postgres)('on PostgreSQL', async () => {
    const sessions = await open!.openPostgres(postgres ?? '')
    onTestFinished(() => sessions.close())
    await rebuilt(sessions.value)
  })
})
