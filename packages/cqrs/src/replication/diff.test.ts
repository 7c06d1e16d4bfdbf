import { expect, test } from 'vitest'
import { MIRROR, mirror, PRODUTOS, produto, type Side, side } from '../fixtures/catalog.ts'
import { applyChange } from './apply.ts'
import { canonical } from './canonical.ts'
import { diff, fix } from './diff.ts'
import { differencesFile, rangesFile, rowsFile } from './diff-files.ts'
import { masterEntries } from './entries.ts'
import { master } from './master.ts'
import { reading } from './ndjson.ts'
import { replica } from './replica.ts'
import { sync } from './sync.ts'
import { toScale } from './values.ts'

/** Applies what the master's side has recorded, and says how much it was. */
async function deliveredTo(feed: Side, products: Side): Promise<number> {
  products.outbox.commit()
  const changes = products.outbox.changes.splice(0)
  const { logger } = feed.messaging
  const to = feed.workings.replicas[0]!
  await feed.write(async (db, tx) => {
    const context = { db, tx, logger, signal: new AbortController().signal, id: '', headers: {} }
    for (const change of changes) await applyChange(to, await to.table(tx), change, context)
  })
  return changes.length
}

/** More than one part of the keys. */
const ROWS = 5_000

async function pair(rows = ROWS) {
  const [products, feed] = [await side([produto()], PRODUTOS), await side([mirror()], MIRROR)]
  const [from, to] = [products.workings.masters[0]!, feed.workings.replicas[0]!]
  products.database.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows}) INSERT INTO produtos (sku, nome, preco, estoque) SELECT i, 'n' || i, i, i % 7 FROM n`,
  )
  const deliver = () => deliveredTo(feed, products)
  await sync(from, { pageSize: 2_000 })
  await deliver()
  return { products, feed, from, to, deliver }
}

/** Ten rows that differ, and what is said of each. */
function plant({ products, feed }: { products: Side; feed: Side }): readonly string[] {
  products.database.exec("UPDATE produtos SET nome = 'other' WHERE sku IN (1, 2500)")
  products.database.exec('DELETE FROM produtos WHERE sku = 4999')
  products.database.exec("INSERT INTO produtos (sku, nome, preco) VALUES (6000, 'new', 1)")
  products.database.exec("UPDATE cqrs_masters SET rev = 7 WHERE k = '10'")
  feed.database.exec(
    "UPDATE produto_mirror SET preco = 9.99 WHERE sku = 2001; DELETE FROM produto_mirror WHERE sku = 3; DELETE FROM cqrs_replicas WHERE k = '4'",
  )
  feed.database.exec("UPDATE cqrs_replicas SET rev = 3 WHERE k = '5'")
  feed.database.exec("INSERT INTO produto_mirror (sku, nome, preco, estoque) VALUES (7000, 'x', 1, 0)")
  return [
    '1 fields nome',
    '10 behind',
    '2001 fields preco',
    '2500 fields nome',
    '3 missing',
    '4 missing',
    '4999 extra',
    '5 ahead',
    '6000 unknown',
    '7000 unknown',
  ]
}

const said = (found: Awaited<ReturnType<typeof diff>>) => found.map(({ key, why, fields = [] }) => [key, why, ...fields].join(' ')).sort()

test('ten planted differences in some thousand rows are found, no more, and mended', async () => {
  const { products, feed, from, to, deliver } = await pair()
  expect(await diff(from, to, { deep: true, settleMs: 0 })).toEqual([])
  const planted = plant({ products, feed })
  const found = await diff(from, to, { deep: true, settleMs: 0 })
  expect(said(found)).toEqual(planted)
  // Revisions alone do not show what was written without saying so, but for rows that are new.
  expect(said(await diff(from, to, { settleMs: 0 }))).toEqual(['10 behind', '4 missing', '5 ahead', '6000 unknown', '7000 unknown'])
  await fix(from, found)
  expect(await deliver()).toBe(10)
  expect(await diff(from, to, { deep: true, settleMs: 0 })).toEqual([])
  const rows = (one: Side, table: string) => one.rows(`SELECT sku, nome, preco, estoque FROM ${table} ORDER BY sku`)
  expect(rows(feed, 'produto_mirror')).toEqual(rows(products, 'produtos'))
})

test('two databases that cannot see each other find the same by files, which hold no values', async () => {
  const { products, feed, from, to } = await pair()
  const planted = plant({ products, feed })
  const all = async (lines: AsyncIterable<string>): Promise<readonly string[]> => {
    const found: string[] = []
    for await (const line of lines) found.push(line)
    return found
  }
  async function* again(lines: readonly string[]): AsyncGenerator<string> {
    yield* lines
  }
  const ranges = await all(await rangesFile(from, { deep: true }))
  const rows = await all(rowsFile(to, await reading(again(ranges), ['ranges'])))
  expect(said(await differencesFile(from, await reading(again(rows), ['rows'])))).toEqual(planted)
  expect(ranges.length).toBeLessThan(7)
  expect(`${ranges}${rows}`).not.toMatch(/n2001|9\.99/)
  // Parts that do not differ list no row.
  const { feed: other, from: calm, to: follower } = await pair()
  other.database.exec("UPDATE produto_mirror SET nome = 'x' WHERE sku = 4999")
  const few = await all(rowsFile(follower, await reading(await rangesFile(calm, { deep: true }), ['ranges'])))
  const listed = few.flatMap((line) => (JSON.parse(line).rows ?? []) as readonly { readonly key: string }[])
  expect([listed.length > 0, listed.length <= 2_000, listed.some(({ key }) => key === '4999')]).toEqual([true, true, true])
  for (const cut of [ranges.slice(0, -1), ranges.slice(0, 1), [...ranges.slice(0, 2), '{"after'], []])
    await expect(reading(again(cut), ['ranges']).then(({ head, lines }) => all(rowsFile(to, { head, lines })))).rejects.toMatchObject({
      code: 'REPLICATION_FILE',
    })
})

test('a master whose revisions went back is found, and mended above those of its replica', async () => {
  const { products, from, to, deliver, feed } = await pair(10)
  const { cqrs, write } = products
  for (let n = 0; n < 3; n++)
    await write((db) => cqrs.track(db, from.master, 1, () => db.exec(`UPDATE produtos SET nome = 'v${n}' WHERE sku = 1`)))
  await deliver()
  // The master comes from a backup.
  products.database.exec("UPDATE produtos SET nome = 'restored' WHERE sku = 1; UPDATE cqrs_masters SET rev = 1 WHERE k = '1'")
  const found = await diff(from, to, { settleMs: 0 })
  expect(found).toEqual([{ key: '1', why: 'ahead', master: 1, replica: 4 }])
  await fix(from, found)
  await deliver()
  expect(feed.rows('SELECT nome, cqrs_revision AS revision FROM produto_mirror WHERE sku = 1')).toEqual([{ nome: 'restored', revision: 5 }])
})

test.each(['in reach', 'by files'])(
  'a row that its replica has deleted since the backup which its master comes from is mended, %s',
  async (how) => {
    const { products, from, to, deliver, feed } = await pair(10)
    const { cqrs, write } = products
    await write((db) => cqrs.track(db, from.master, 1, () => db.exec("UPDATE produtos SET nome = 'x' WHERE sku = 1")))
    await write((db) => cqrs.track(db, from.master, 1, () => db.exec('DELETE FROM produtos WHERE sku = 1')))
    await deliver()
    products.database.exec("UPDATE cqrs_masters SET rev = 1, gone = 0 WHERE k = '1'")
    products.database.exec("INSERT INTO produtos (sku, nome, preco) VALUES (1, 'restored', 1)")
    const byFiles = async () =>
      differencesFile(from, await reading(rowsFile(to, await reading(await rangesFile(from, { deep: false }), ['ranges'])), ['rows']))
    const found = how === 'by files' ? await byFiles() : await diff(from, to, { settleMs: 0 })
    expect(found).toEqual([{ key: '1', why: 'missing', master: 1, replica: null, tombstone: 3 }])
    await fix(from, found)
    await deliver()
    expect(feed.rows('SELECT nome, cqrs_revision AS revision FROM produto_mirror WHERE sku = 1')).toEqual([
      { nome: 'restored', revision: 4 },
    ])
    expect(await diff(from, to, { deep: true, settleMs: 0 })).toEqual([])
  },
)

test('fields may have the names that every object has', async () => {
  const products = await side(
    [master('parts', { table: 'parts', key: 'id', serialize: (row) => ({ ...row, constructor: 'acme' }) })],
    `CREATE TABLE parts (id INTEGER PRIMARY KEY, "valueOf" TEXT); INSERT INTO parts VALUES (1, 'x')`,
  )
  const feed = await side(
    [replica('parts', { table: 'mine', map: { id: 'id', valueOf: 'worth' } })],
    'CREATE TABLE mine (id INTEGER PRIMARY KEY, worth TEXT)',
  )
  const [from, to] = [products.workings.masters[0]!, feed.workings.replicas[0]!]
  await sync(from)
  await deliveredTo(feed, products)
  expect(await diff(from, to, { deep: true, settleMs: 0 })).toEqual([])
  feed.database.exec("UPDATE mine SET worth = 'y'")
  expect(said(await diff(from, to, { deep: true, settleMs: 0 }))).toEqual(['1 fields valueOf'])
})

test('rows that are skipped are no differences, and hide none', async () => {
  const products = await side([produto({ skip: ({ estoque }) => estoque === 0 })], PRODUTOS)
  products.database.exec("INSERT INTO produtos (sku, nome, preco, estoque) VALUES (1, 'a', 1, 0), (2, 'b', 1, 0), (3, 'c', 1, 1)")
  const feed = await side([mirror()], MIRROR)
  const [from, to] = [products.workings.masters[0]!, feed.workings.replicas[0]!]
  await sync(from)
  await deliveredTo(feed, products)
  expect(await diff(from, to, { deep: true, settleMs: 0 })).toEqual([])
  products.database.exec("INSERT INTO produtos (sku, nome, preco, estoque) VALUES (4, 'd', 1, 0), (5, 'e', 1, 1)")
  expect(said(await diff(from, to, { settleMs: 0 }))).toEqual(['5 unknown'])
  expect(await from.database.read((tx) => masterEntries(from, undefined).strangers(tx, 1))).toEqual(['5'])
})

test('a change that is on its way is no difference', async () => {
  const { products, from, to, deliver } = await pair(10)
  await products.write((db) => products.cqrs.track(db, from.master, 1, () => db.exec("UPDATE produtos SET nome = 'x' WHERE sku = 1")))
  const comparing = diff(from, to, { deep: true, settleMs: 300 })
  await new Promise((resolve) => setTimeout(resolve, 100))
  await deliver()
  expect(await comparing).toEqual([])
})

test('values of one meaning are one text, whichever database they come from', () => {
  for (const [kind, ...values] of [
    ['decimal', '3500.00', '3500', 3500, '03500.0'],
    ['decimal', '0.00', '-0', 0, '0'],
    ['integer', '9007199254740993', '9007199254740993'],
    ['boolean', true, 1, '1', 'true'],
    ['boolean', false, 0, '0', 'false'],
    ['number', 0.1, '0.1', 0.1],
    ['time', '2026-12-01T10:00:00.120000Z', '2026-12-01T10:00:00.12Z'],
    ['time', '2026-12-01T10:00:00.000000Z', '2026-12-01T10:00:00Z'],
    ['json', { a: 1, b: [1, { d: 2, c: 3 }] }, { b: [1, { c: 3, d: 2 }], a: 1 }],
    [undefined, '3500.00', 3500],
    ['text', null, undefined],
  ] as const)
    expect(new Set(values.map((value) => canonical(value, kind))).size).toBe(1)
  for (const [kind, one, other] of [
    ['boolean', 7, 0],
    ['boolean', 7, true],
    ['text', '1.0', '1'],
    ['text', 'a', 'A'],
    ['text', '', null],
    ['decimal', '1.01', '1.1'],
    ['time', '2026-12-01T10:00:00.12Z', '2026-12-01T10:00:00.120001Z'],
  ] as const)
    expect(canonical(one, kind)).not.toBe(canonical(other, kind))
})

test('a decimal gets the places of its column, and loses none', () => {
  expect(['3500', '3500.5', '3500.50000', '-0.5'].map((text) => toScale(text, 2))).toEqual(['3500.00', '3500.50', '3500.50', '-0.50'])
  expect([toScale('1.005', 2), toScale('1.5', 0), toScale('1.0', 0)]).toEqual([undefined, undefined, '1'])
})
