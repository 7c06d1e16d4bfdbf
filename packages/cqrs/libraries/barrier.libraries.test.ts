import { setTimeout as pause } from 'node:timers/promises'
import { txOf } from '@corebus/sql/internal'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { projected } from '../src/fixtures/projected.ts'
import { OrderCreated, published, UserChanged } from '../src/fixtures/shop.ts'
import { changeDocuments } from '../src/projection/handling.ts'
import { eventOf } from '../src/projection/journal.ts'

const { postgres } = inject('stores')
const open = inject('clientsInstalled') ? await import('./open.ts') : undefined

async function fresh() {
  const { value: sessions, close } = await open!.openPostgres(postgres ?? '')
  onTestFinished(close)
  const one = await projected(sessions, { table: `b${process.pid}_${Math.random().toString(36).slice(2, 8)}`, migrated: false })
  for (const collection of ['orders', 'users']) for (let n = 1; n < 5; n++) await one.workings.store.drop(`${collection}__${n}`)
  await one.views.migrate()
  const waiting = async (): Promise<void> => {
    for (;;) {
      const { rows } = await sessions.database.read((tx) => tx.query('SELECT count(*) AS n FROM pg_locks WHERE NOT granted'))
      if (Number(rows[0]?.n) > 0) return
      await pause(5)
    }
  }
  return { ...one, sessions, waiting }
}

const created = (id: number) => published(OrderCreated, { id, user_id: id, total: 1, at: '2026-12-01' } as { id: number })

describe.skipIf(!open || !postgres)('on PostgreSQL', () => {
  test('an event whose transaction commits behind later ones, while a rebuild runs, is in what readers see after it', async () => {
    const { sessions, workings, projection, views, handle, docs, messaging, waiting } = await fresh()
    const { barrier, generations, journal, database } = workings
    const late = created(1)
    const [begun, commits] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const handling = sessions.write(async (db) => {
      const tx = txOf(db, database.dialect)
      await barrier.pass(tx)
      const generation = await generations.active(tx, projection.name)
      if (!generation) throw new Error('it has no collections')
      const body = Buffer.from(JSON.stringify({ name: late.type.name, data: late.data, timestamp: '', source: '' }))
      const entry = { topic: late.type.name, id: late.id, key: '1', headers: {}, name: late.type.name, body }
      await journal.append(tx, entry)
      const context = { logger: messaging.logger, signal: new AbortController().signal }
      await changeDocuments(projection, workings, { tx, generation, event: eventOf(entry, late.type), entry, replay: false, context })
      begun.resolve()
      await commits.promise
    })
    await begun.promise
    await handle(created(2))
    const rebuilding = views.rebuild('shop')
    await Promise.race([rebuilding, waiting()])
    commits.resolve()
    await Promise.all([handling, rebuilding])
    expect((await docs.orders.find()).items.map(({ _id }) => _id)).toEqual(['1', '2'])
  })

  test('of two handlers that each read what the other writes, at once, the later one sees the earlier', async () => {
    const { handle, docs } = await fresh()
    for (let id = 1; id <= 40; id++) {
      const order = published(OrderCreated, { id, user_id: id, total: 1, at: '2026-12-01' } as { id: number })
      const user = published(UserChanged, { id, name: `user ${id}`, version: 1 } as { id: number })
      await Promise.all(id % 2 === 0 ? [handle(order), handle(user)] : [handle(user), handle(order)])
    }
    const { items } = await docs.orders.find({ limit: 100 })
    expect(items.filter(({ user_name }) => user_name === undefined)).toEqual([])
    expect(items).toHaveLength(40)
  })
})
