import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import { makeProject, type Project } from '../../../core/test/project.ts'

/** A test runs ten processes and more, which on a busy machine take seconds each. */
vi.setConfig({ testTimeout: 180_000 })

/** VERSION is the projection's; WAITS_AT says at which event of a rebuild its handler waits for ever. */
const MESSAGING = `
import { configureMessaging, defineEvent } from '@corebus/core'
import { collection, projection, projections } from '@corebus/cqrs'
import { sqliteSession } from '@corebus/sql'
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
const database = new DatabaseSync('shop.db')
database.exec('PRAGMA journal_mode = WAL')
export const messaging = configureMessaging({ service: 'shop', session: sqliteSession(database) })
const { VERSION = '1', WAITS_AT } = process.env
export const Created = defineEvent('order.created', z.object({ id: z.number() }), { topic: 'orders', key: 'id' })
export const orders = projection('orders', {
  events: [Created],
  version: Number(VERSION),
  collections: { orders: collection({ fields: { version: 'number' }, required: ['version'] }) },
  async handle({ data }, { docs, replay }) {
    if (replay && data.id === Number(WAITS_AT)) {
      console.log('waits')
      await new Promise((resolve) => setTimeout(resolve, 600_000))
    }
    await docs.orders.put(data.id, { version: Number(VERSION), replay }, { revision: 1 })
  },
})
export const views = projections(messaging, [orders])
`

/** Publishes events of its arguments, handles them and ends. */
const CONSUME = `
import { Created, messaging, views } from './messaging.js'
const [from, to] = process.argv.slice(2).map(Number)
await views.migrate()
await messaging.start()
for (let id = from; id <= to; id++) await messaging.publishEvent(Created, { id })
const all = to - from + 1
while (messaging.counters.handled < all) await new Promise((resolve) => setTimeout(resolve, 10))
await messaging.close()
`

/** Publishes without handling: what no group has taken. */
const PUBLISH = `
import { Created, messaging } from './messaging.js'
const [from, to] = process.argv.slice(2).map(Number)
for (let id = from; id <= to; id++) await messaging.publishEvent(Created, { id })
await messaging.close()
`

function makeShop(): Project {
  const manifest = JSON.stringify({ name: 'shop', type: 'module', corebus: { entry: 'messaging.js' } })
  return makeProject(
    { 'messaging.js': MESSAGING, 'consume.js': CONSUME, 'publish.js': PUBLISH, 'package.json': manifest },
    { packages: ['sql', 'cqrs'] },
  )
}

async function ran(shop: Project, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { code, stdout, stderr } = await shop.core(args, { env })
  expect([code, stderr]).toEqual([0, ''])
  return stdout
}

async function consumed(shop: Project, from: number, to: number): Promise<void> {
  const { code, stderr } = await shop.node(['consume.js', String(from), String(to)])
  if (code !== 0) throw new Error(stderr)
}

function docsOf({ folder }: Project): readonly unknown[] {
  const database = new DatabaseSync(join(folder, 'shop.db'), { readOnly: true })
  onTestFinished(() => database.close())
  const active = database.prepare("SELECT active FROM projections WHERE name = 'orders'").get()?.active
  return database
    .prepare(`SELECT _id, version FROM orders__${active} ORDER BY version, CAST(_id AS INTEGER)`)
    .all()
    .map(({ _id, version }) => [_id, version])
}

test('core projections shows what is stale, rebuilds it, and says what it did', async () => {
  const shop = makeShop()
  const none = await shop.core(['projections', 'list'])
  expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('npx corebus projections migrate')])
  expect(await ran(shop, ['projections', 'migrate', '--print'])).toContain('CREATE TABLE IF NOT EXISTS "projections_journal"')
  expect(await ran(shop, ['projections', 'migrate'])).toMatch(/shop\.db has projections with orders\n$/)
  await consumed(shop, 1, 3)
  const [current] = JSON.parse(await ran(shop, ['projections', 'list', '--json']))
  expect(current).toEqual({
    name: 'orders',
    version: 1,
    builtVersion: 1,
    state: 'current',
    generation: 1,
    rebuiltAt: null,
    rebuild: null,
    documents: { orders: 3 },
  })
  const stale = await ran(shop, ['projections', 'list'], { VERSION: '2' })
  expect(stale.split('\n')[0]?.split(/ {2,}/)).toEqual(['NAME', 'STATE', 'VERSION', 'DOCUMENTS', 'REBUILT'])
  expect(stale).toMatch(/orders +stale +1, code has 2 +3 +never/)
  const rebuilt = JSON.parse(await ran(shop, ['projections', 'rebuild', 'orders', '--json'], { VERSION: '2' }))
  expect(rebuilt).toEqual({ name: 'orders', events: 3, generation: 2, heldMs: expect.any(Number) })
  expect(docsOf(shop)).toEqual([1, 2, 3].map((id) => [String(id), 2]))
  expect(await ran(shop, ['projections', 'status', 'orders'], { VERSION: '2' })).toMatch(
    /^orders: current, version 2, generation 2, rebuilt 2.*\n {2}orders: 3 documents\n$/,
  )
  expect(await ran(shop, ['projections', 'rebuild', 'orders'])).toMatch(/^orders is rebuilt from 3 events in \d+ ms: generation 3\./)
  expect((await shop.core(['projections', 'drop', 'orders'])).code).toBe(2)
  expect(await ran(shop, ['projections', 'drop', 'orders', '--yes'])).toBe('orders is dropped: orders__3\n')
  expect(JSON.parse(await ran(shop, ['projections', 'status', 'orders', '--json']))).toMatchObject({ state: 'empty', documents: {} })
  const unknown = await shop.core(['projections', 'rebuild', 'order'])
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('there are orders')])
})

test('a rebuild that is killed leaves what readers see, is refused to a second one while it lives, and the next one starts clean', async () => {
  const shop = makeShop()
  await consumed(shop, 1, 500)
  const before = docsOf(shop)
  // In its second transaction: the first 200 are committed.
  const killed = shop.start(['projections', 'rebuild', 'orders'], { env: { VERSION: '2', WAITS_AT: '300' } })
  await killed.says(/waits/)
  expect(docsOf(shop)).toEqual(before)
  killed.signal('SIGKILL')
  await killed.end
  expect(docsOf(shop)).toEqual(before)
  const database = new DatabaseSync(join(shop.folder, 'shop.db'))
  onTestFinished(() => database.close())
  expect(database.prepare('SELECT count(*) AS n FROM orders__2').get()).toEqual({ n: 200 })
  const refused = await shop.core(['projections', 'rebuild', 'orders'])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('is being rebuilt by another process')])
  // As if the time of its lease was over.
  database.exec('UPDATE projections_leases SET expires = 0')
  await consumed(shop, 501, 510)
  expect(JSON.parse(await ran(shop, ['projections', 'rebuild', 'orders', '--json'], { VERSION: '2' }))).toMatchObject({
    events: 510,
    generation: 3,
  })
  expect(docsOf(shop)).toEqual(Array.from({ length: 510 }, (_, n) => [String(n + 1), 2]))
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'orders__%'").all()
  expect(tables.map(({ name }) => name)).toEqual(['orders__3'])
})

test('Ctrl-C ends a rebuild, and readers see what they saw before', async () => {
  const shop = makeShop()
  await consumed(shop, 1, 3)
  const before = docsOf(shop)
  const running = shop.start(['projections', 'rebuild', 'orders'], { env: { WAITS_AT: '2' } })
  await running.says(/waits/)
  running.signal('SIGINT')
  await running.says(/the rebuild is given up/)
  running.signal('SIGKILL')
  await running.end
  expect(docsOf(shop)).toEqual(before)
})

test('a projection that is new is filled from the broker where that keeps its events, and is told where it does not', async () => {
  const shop = makeShop()
  // Handled by nobody here: another service's group keeps them.
  expect((await shop.node(['publish.js', '1', '5'])).code).toBe(0)
  await ran(shop, ['projections', 'migrate'])
  expect(JSON.parse(await ran(shop, ['projections', 'rebuild', 'orders', '--json']))).toMatchObject({ events: 0 })
  expect(JSON.parse(await ran(shop, ['projections', 'rebuild', 'orders', '--from', 'broker', '--json']))).toMatchObject({ events: 5 })
  expect(docsOf(shop)).toHaveLength(5)
  // Again: what the journal has is there once, and the group that read is gone.
  expect(JSON.parse(await ran(shop, ['projections', 'rebuild', 'orders', '--from', 'broker', '--json']))).toMatchObject({ events: 5 })
  const topics = await shop.core(['topics'])
  expect([topics.code, topics.stdout]).toEqual([0, expect.not.stringContaining('rebuild')])
  expect(topics.stdout).toContain('orders')
  expect((await shop.core(['projections', 'rebuild', 'orders', '--from', 'nowhere'])).code).toBe(2)
})
