import { txOf } from '@corebus/sql/internal'
import { expect, test } from 'vitest'
import { MIRROR, mirror, PRODUTOS, produto, side } from '../fixtures/catalog.ts'
import { applying } from './apply.ts'
import { changeType, type RowChange } from './change.ts'
import { dumpFile } from './dump.ts'
import { masterEntries } from './entries.ts'
import { master } from './master.ts'
import { sync } from './sync.ts'

/** A table that was there before its master. */
async function before(rows: number, options: Parameters<typeof produto>[0] = {}) {
  const Produto = produto(options)
  const one = await side([Produto], PRODUTOS)
  const values = Array.from({ length: rows }, (_, n) => `(${n + 1}, 'n${n + 1}', ${n}.5, ${n % 3})`)
  one.database.exec(`INSERT INTO produtos (sku, nome, preco, estoque) VALUES ${values.join(', ')}`)
  const [bound] = one.workings.masters
  if (!bound) throw new Error('it has none')
  const sent = (): readonly RowChange[] => {
    one.outbox.commit()
    return one.outbox.changes.splice(0)
  }
  return { ...one, Produto, bound, sent }
}

const keysOf = (changes: readonly RowChange[]): readonly number[] => changes.map(({ key }) => Number(key)).sort((a, b) => a - b)

test('rows that were there before their master get a revision and are sent once, and are sent at the same one again', async () => {
  const { bound, sent } = await before(25)
  expect(await sync(bound, { pageSize: 10 })).toEqual({ sent: 25, adopted: 25, deleted: 0 })
  const changes = sent()
  expect(keysOf(changes)).toEqual(Array.from({ length: 25 }, (_, n) => n + 1))
  expect(changes[0]).toMatchObject({ kind: 'sync', key: '1', revision: 1, row: { sku: 1, nome: 'n1', preco: '0.50', estoque: 0 } })
  expect(await sync(bound)).toEqual({ sent: 25, adopted: 0, deleted: 0 })
  expect(sent().every(({ revision }) => revision === 1)).toBe(true)
})

test('one that was ended in the middle goes on there, and begins anew where that is asked for', async () => {
  const { bound, sent } = await before(25)
  const stop = new AbortController()
  const ended = sync(bound, { pageSize: 10, signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) })
  await expect(ended).rejects.toThrow('enough')
  const first = sent()
  expect(first).toHaveLength(10)
  expect((await sync(bound, { pageSize: 10 })).sent).toBe(15)
  expect(keysOf([...first, ...sent()])).toEqual(Array.from({ length: 25 }, (_, n) => n + 1))
  const again = new AbortController()
  await sync(bound, { pageSize: 10, signal: again.signal, onProgress: () => again.abort() }).catch(() => undefined)
  expect((await sync(bound, { pageSize: 10, resume: false })).sent).toBe(25)
})

test('only some rows, by their keys or by what is in them', async () => {
  const { bound, sent } = await before(12)
  await sync(bound, { keys: [3, 7, 99] })
  expect(keysOf(sent())).toEqual([3, 7])
  await sync(bound, { filter: ({ estoque }) => estoque === 0, pageSize: 5 })
  expect(keysOf(sent())).toEqual([1, 4, 7, 10])
})

test('one for some rows that was ended in the middle keeps no rows from the next one for all, and ends none that was ended before', async () => {
  const { bound, sent } = await before(25)
  const endedAfterOne = async (filter?: () => boolean): Promise<void> => {
    const stop = new AbortController()
    await sync(bound, { pageSize: 10, signal: stop.signal, onProgress: () => stop.abort(), ...(filter && { filter }) }).catch(
      () => undefined,
    )
    sent()
  }
  await endedAfterOne(() => false)
  expect((await sync(bound, { pageSize: 10 })).sent).toBe(25)
  await endedAfterOne()
  await sync(bound, { filter: () => false })
  expect((await sync(bound, { pageSize: 10 })).sent).toBe(15)
})

test.each(['NULL', "''", `'${'x'.repeat(256)}'`])('a row whose key is none is refused, and not left out: %s', async (key) => {
  const Thing = master('thing', { table: 'things', key: 'code' })
  const { workings, database, outbox } = await side(
    [Thing],
    "CREATE TABLE things (code TEXT, nome TEXT); INSERT INTO things VALUES ('a', 'b')",
  )
  const bound = workings.masters[0]!
  database.exec(`INSERT INTO things VALUES (${key}, 'lost')`)
  const refused = {
    code: 'REPLICATION_KEY',
    message: expect.stringMatching(/^master thing: 1 rows of things have a code that is null, empty or longer/),
  }
  await expect(sync(bound)).rejects.toMatchObject(refused)
  await expect(dumpFile(bound)).rejects.toMatchObject(refused)
  await expect(bound.database.read((tx) => masterEntries(bound, undefined).strangers(tx, 10))).rejects.toMatchObject(refused)
  expect(outbox.changes).toEqual([])
  database.exec("DELETE FROM things WHERE nome = 'lost'")
  expect((await sync(bound)).sent).toBe(1)
})

test('a page that the database ends because of writers is sent when they let it', async () => {
  const { bound, sent } = await before(25)
  const deadlock = Object.assign(new Error('Deadlock found when trying to get lock'), { code: 'ER_LOCK_DEADLOCK', errno: 1213 })
  let left = 6
  const session = (work: (db: never) => Promise<unknown>) =>
    bound.messaging.session(async (db) => {
      const result = await work(db as never)
      if (left-- > 0) throw deadlock
      return result
    })
  const messaging = Object.create(bound.messaging, { session: { value: session } })
  expect((await sync({ ...bound, messaging }, { pageSize: 10 })).sent).toBe(25)
  expect(new Set(keysOf(sent())).size).toBe(25)
})

test('no more rows in a second than it may', async () => {
  const { bound } = await before(40)
  const begunAt = performance.now()
  await sync(bound, { pageSize: 10, perSecond: 200 })
  expect(performance.now() - begunAt).toBeGreaterThan(190)
})

test('a row that is gone without saying so is told of as a delete, and one that is skipped is not sent', async () => {
  const { bound, sent, database } = await before(3, { skip: ({ nome }) => nome === 'n2' })
  await sync(bound)
  sent()
  database.exec('DELETE FROM produtos WHERE sku = 1')
  expect(await sync(bound)).toEqual({ sent: 1, adopted: 0, deleted: 1 })
  expect(sent().map(({ key, kind, revision }) => [key, kind, revision])).toEqual([
    ['3', 'sync', 1],
    ['1', 'delete', 2],
  ])
})

test('what is for one replica is left by the others', async () => {
  const { bound, sent } = await before(1)
  await sync(bound, { to: 'second' })
  const [change] = sent()
  const feed = await side(
    [mirror(), mirror({ name: 'second', table: 'second', group: 'second' })],
    `${MIRROR}; ${MIRROR.replace('produto_mirror', 'second')}`,
  )
  const { logger } = feed.messaging
  for (const replica of feed.workings.replicas) {
    const session = <T>(work: (db: never) => Promise<T>): Promise<T> => feed.sessions.write((db) => work(db as never))
    const context = { logger, session, id: 'm', signal: new AbortController().signal, headers: {} } as never
    const { decode } = changeType('produto', 'produto')
    await applying(replica)({ name: 'produto', data: decode(change), timestamp: '', source: '' }, context)
  }
  expect([feed.rows('SELECT sku FROM produto_mirror'), feed.rows('SELECT sku FROM second')]).toEqual([[], [{ sku: 1 }]])
})

test('a row that is written between two pages is sent as it is then, at its own revision', async () => {
  const { bound, sent, cqrs, Produto, sessions } = await before(4)
  const writing = (): Promise<void> =>
    sessions.write((db) => cqrs.track(txOf(db, 'sqlite'), Produto, 4, () => db.exec("UPDATE produtos SET nome = 'late' WHERE sku = 4")))
  let written: Promise<void> | undefined
  await sync(bound, { pageSize: 2, onProgress: () => (written ??= writing()) })
  await written
  const about = sent().filter(({ key }) => key === '4')
  expect(about.map(({ kind, revision, row }) => `${kind} ${revision} ${row?.nome}`).sort()).toEqual(expect.arrayContaining(['save 2 late']))
  for (const { revision, row } of about) expect(row?.nome).toBe(revision === 2 ? 'late' : 'n4')
})
