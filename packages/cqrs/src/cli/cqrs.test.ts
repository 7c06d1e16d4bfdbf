import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import { makeProject, type Project } from '../../../core/test/project.ts'

/** A test runs ten processes and more, which on a busy machine take seconds each. */
vi.setConfig({ testTimeout: 240_000 })

/** MASTER and MIRROR are files of two databases; a service has what its SIDE says. */
const MESSAGING = `
import { configureMessaging } from '@corebus/core'
import { master, replica, replication } from '@corebus/cqrs'
import { sqliteSession, sqlOutbox } from '@corebus/sql'
import { DatabaseSync } from 'node:sqlite'
const { SIDE = 'both', FILE = 'shop.db' } = process.env
export const database = new DatabaseSync(FILE)
database.exec(\`PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS produtos (sku INTEGER PRIMARY KEY, nome TEXT NOT NULL, preco DECIMAL(10,2) NOT NULL);
  CREATE TABLE IF NOT EXISTS mirror (sku INTEGER PRIMARY KEY, nome TEXT NOT NULL, preco TEXT NOT NULL)\`)
export const messaging = configureMessaging({ service: 'catalog', session: sqliteSession(database), outbox: sqlOutbox({ pollMs: 50 }) })
export const Produto = master('produto', { table: 'produtos', key: 'sku' })
const mirror = replica('produto', { table: 'mirror', map: { sku: 'sku', nome: 'nome', preco: 'preco' } })
export const cqrs = replication(messaging, SIDE === 'both' ? [Produto, mirror] : SIDE === 'master' ? [Produto] : [mirror])
`

/** Handles changes until the replica has as many rows as its argument says, and no broker message is left. */
const CONSUME = `
import { database, messaging } from './messaging.js'
await messaging.start()
const wanted = process.argv[2]
for (let n = 0; n < 1000; n++) {
  const found = JSON.stringify(database.prepare('SELECT count(*) AS n, coalesce(sum(sku), 0) AS s, count(CASE WHEN nome = \\'n\\' || sku THEN 1 END) AS g FROM mirror').get())
  if (found === wanted) break
  await new Promise((resolve) => setTimeout(resolve, 20))
}
await messaging.close()
`

function makeShop(): Project {
  const manifest = JSON.stringify({ name: 'catalog', type: 'module', corebus: { entry: 'messaging.js' } })
  return makeProject({ 'messaging.js': MESSAGING, 'consume.js': CONSUME, 'package.json': manifest }, { packages: ['sql', 'cqrs'] })
}

type Env = Readonly<Record<string, string>>

async function ran(shop: Project, args: readonly string[], env: Env = {}): Promise<string> {
  const { code, stdout, stderr } = await shop.core(args, { env })
  expect([code, stderr]).toEqual([0, ''])
  return stdout
}

function open({ folder }: Project, file: string): DatabaseSync {
  const database = new DatabaseSync(join(folder, file))
  onTestFinished(() => database.close())
  return database
}

const fill = (database: DatabaseSync, table: string, rows: number): void =>
  database.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows}) INSERT INTO ${table} SELECT i, 'n' || i, i || '.50' FROM n`,
  )

async function consumed(shop: Project, rows: number): Promise<void> {
  const wanted = JSON.stringify({ n: rows, s: (rows * (rows + 1)) / 2, g: rows })
  const { code, stderr } = await shop.node(['consume.js', wanted])
  expect([code, stderr]).toEqual([0, ''])
}

test('a table that was there before is filled into a replica, compared with it and mended', async () => {
  const shop = makeShop()
  const before = await shop.core(['cqrs', 'status'])
  expect([before.code, before.stderr]).toEqual([1, expect.stringContaining('npx corebus cqrs migrate')])
  expect(await ran(shop, ['cqrs', 'migrate', '--print'])).toContain('CREATE TABLE IF NOT EXISTS "cqrs_masters"')
  expect(await ran(shop, ['cqrs', 'migrate'])).toMatch(/has cqrs with master produto, replica mirror\n$/)
  await ran(shop, ['outbox', 'migrate'])
  const database = open(shop, 'shop.db')
  fill(database, 'produtos', 1_200)
  expect(await ran(shop, ['cqrs', 'sync', 'produto'])).toBe('1,200 rows of produto are on their way; 1,200 rows had no revision\n')
  await consumed(shop, 1_200)
  expect(await ran(shop, ['cqrs', 'diff', 'produto', '--deep'])).toBe('nothing differs\n')
  // Rows of both sides are changed without saying so.
  database.exec(
    "UPDATE produtos SET preco = 1 WHERE sku = 7; DELETE FROM produtos WHERE sku = 1200; INSERT INTO produtos VALUES (1201, 'n1201', 1)",
  )
  database.exec("UPDATE mirror SET nome = 'x' WHERE sku = 8; DELETE FROM mirror WHERE sku = 9; INSERT INTO mirror VALUES (5000, 'y', '1')")
  const found = await shop.core(['cqrs', 'diff', 'produto', '--deep', '--json'])
  expect(found.code).toBe(1)
  expect(JSON.parse(found.stdout).differences).toEqual([
    { key: '1200', why: 'extra', master: 1, replica: 1 },
    { key: '7', why: 'fields', master: 1, replica: 1, fields: ['preco'] },
    { key: '8', why: 'fields', master: 1, replica: 1, fields: ['nome'] },
    { key: '9', why: 'missing', master: 1, replica: 1 },
    { key: '1201', why: 'unknown', master: null, replica: null },
    { key: '5000', why: 'unknown', master: null, replica: null },
  ])
  expect(await ran(shop, ['cqrs', 'diff', 'produto', '--deep', '--fix'])).toMatch(/6 rows are on their way anew\n$/)
  await shop.node(['consume.js', JSON.stringify({ n: 1_200, s: (1_200 * 1_201) / 2 + 1, g: 1_200 })])
  expect(await ran(shop, ['cqrs', 'diff', 'produto', '--deep'])).toBe('nothing differs\n')
  const status = JSON.parse(await ran(shop, ['cqrs', 'status', '--json']))
  expect(status).toMatchObject([
    { kind: 'master', id: 'produto', rows: 1_200 },
    { kind: 'replica', name: 'mirror', rows: 1_200, gaps: 0, waiting: 0, dead: 0, behind: 0 },
  ])
  expect(await ran(shop, ['cqrs', 'status'])).toMatch(/replica mirror of produto: table mirror, topic produto, group catalog/)
})

test('two databases that cannot see each other are filled by a dump, and compared by files', async () => {
  const shop = makeShop()
  const [at, there] = [
    { SIDE: 'master', FILE: 'master.db' },
    { SIDE: 'replica', FILE: 'replica.db' },
  ]
  for (const env of [at, there]) for (const what of ['cqrs', 'outbox']) await ran(shop, [what, 'migrate'], env)
  const [master, replica] = [open(shop, 'master.db'), open(shop, 'replica.db')]
  fill(master, 'produtos', 2_500)
  const file = (name: string) => join(shop.folder, name)
  await ran(shop, ['cqrs', 'dump', 'produto', '--output', 'rows.ndjson'], at)
  const lines = readFileSync(file('rows.ndjson'), 'utf8').split('\n')
  writeFileSync(file('cut.ndjson'), `${lines.slice(0, 1_501).join('\n')}\n{"v":1,"ki`)
  const cut = await shop.core(['cqrs', 'load', 'mirror', 'cut.ndjson'], { env: there })
  expect([cut.code, cut.stderr]).toEqual([2, expect.stringMatching(/REPLICATION_FILE|line 1502 is cut/)])
  expect(replica.prepare('SELECT count(*) AS n FROM mirror').get()).toEqual({ n: 1_500 })
  expect(await ran(shop, ['cqrs', 'load', 'mirror', 'rows.ndjson'], there)).toBe('2,500 rows are read, and 2,500 were taken by mirror\n')
  replica.exec("UPDATE mirror SET preco = '9.99' WHERE sku IN (1, 2400)")
  const ranges = await ran(shop, ['cqrs', 'diff', 'produto', '--deep', '--ranges'], at)
  const { code, stdout: rows } = await shop.core(['cqrs', 'diff', 'produto', '--against', '-'], { env: there, input: ranges })
  expect([code, rows]).toEqual([0, expect.not.stringContaining('9.99')])
  const last = await shop.core(['cqrs', 'diff', 'produto', '--against', '-', '--json'], { env: at, input: rows })
  expect(JSON.parse(last.stdout).differences.map(({ key, fields }: { key: string; fields: string[] }) => [key, fields])).toEqual([
    ['1', ['preco']],
    ['2400', ['preco']],
  ])
})

test('what a command is told and cannot do is said', async () => {
  const shop = makeShop()
  for (const what of ['cqrs', 'outbox']) await ran(shop, [what, 'migrate'])
  const refused = async (...args: readonly string[]) => {
    const { code, stderr } = await shop.core(['cqrs', ...args])
    return `${code} ${stderr}`
  }
  expect(await refused('sync', 'product')).toMatch(/^2 .*no master product; there are produto/s)
  expect(await refused('load', 'other', 'none.ndjson')).toMatch(/^2 .*no replica other; there are mirror/s)
  expect(await refused('load', 'mirror', 'none.ndjson')).toMatch(/^2 .*none.ndjson cannot be read/s)
  expect(await refused('load', 'mirror', 'package.json')).toMatch(/^2 .*none of ours/s)
  expect(await refused('sync', 'produto', '--filter', '[1]')).toMatch(/^2 .*must be a JSON object/s)
})
