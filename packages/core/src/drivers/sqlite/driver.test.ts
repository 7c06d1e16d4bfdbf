import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Delivery } from '../../driver.ts'
import { PublishError } from '../../errors.ts'
import { filePath } from './file.ts'
import { ack, message, messages, newPlace, type Place, quiet, take, until } from './fixtures/broker.ts'

let place: Place
beforeEach(() => {
  place = newPlace()
})
afterEach(() => place.remove())

test('a path may come with a scheme or without', () => {
  expect(filePath('/a/b.db')).toBe('/a/b.db')
  expect(filePath('sqlite:///a/b.db')).toBe('/a/b.db')
  expect(filePath('sqlite:/a/b.db')).toBe('/a/b.db')
  expect(filePath('sqlite:b.db')).toBe(join(process.cwd(), 'b.db'))
  expect(filePath('sqlite://./b.db')).toBe(join(process.cwd(), 'b.db'))
  expect(filePath('file:./b.db')).toBe(join(process.cwd(), 'b.db'))
  expect(filePath(pathToFileURL('/a/b c.db').href)).toBe('/a/b c.db')
  expect(() => filePath('sqlite::memory:')).toThrow(/names no file/)
})

test('makes its directory and file for its user alone, and keeps .core out of git', async () => {
  const path = join(place.folder, 'deep', '.core', 'messages.db')
  const driver = await place.open({ url: `file:${path}` })
  await take(driver)
  expect(statSync(join(place.folder, 'deep', '.core')).mode & 0o777).toBe(0o700)
  for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readFileSync(join(place.folder, 'deep', '.core', '.gitignore'), 'utf8')).toBe('*\n')
  expect(readdirSync(`${path}-members`)).toHaveLength(1)
  await driver.close()
  expect(readdirSync(`${path}-members`)).toEqual([])
  expect(existsSync(`${path}-wal`)).toBe(false)
})

test('gives back bytes, key, headers, tombstones and ids as they were', async () => {
  const driver = await place.open()
  const sent = [
    message('plain'),
    message('bytes', { body: Uint8Array.from({ length: 256 }, (_, i) => i), key: 'k' }),
    message('text', { key: 'ключ \0 "\u{1f600}', headers: { 'x-ü': 'a\0b\n"\\\u2028\u{1f600}', '': '', __proto__x: '1' } }),
    message('gone', { key: 'k', body: new Uint8Array(0), tombstone: true }),
    message('empty', { body: new Uint8Array(0) }),
    message('view', { body: new Uint8Array(Buffer.from('abcdef').buffer, 0, 0) }),
    message('large', { body: new Uint8Array(900_000).fill(7) }),
  ]
  await driver.publish(sent)
  const { got } = await take(driver)
  await until('all', () => got.length === sent.length)
  const byId = new Map(got.map((delivery) => [delivery.message.id, delivery.message]))
  for (const expected of sent) expect(byId.get(expected.id)).toEqual(expected)
  expect(Object.hasOwn(byId.get('plain') ?? {}, 'key')).toBe(false)
})

test('hands out as many at once as the limit allows, never more, and goes on when told', async () => {
  const driver = await place.open()
  await driver.publish(messages(1_000))
  const sizes: number[] = []
  const got: Delivery[] = []
  const { subscription } = await take(driver, {
    limit: 64,
    onDeliveries(deliveries) {
      sizes.push(deliveries.length)
      got.push(...deliveries)
    },
  })
  await until('the first', () => got.length > 0)
  expect(sizes).toEqual([64])
  subscription.limit(0)
  await ack(subscription, got.splice(0))
  await quiet()
  expect(got).toEqual([])
  subscription.limit(200)
  await until('the next', () => got.length > 0)
  await quiet(50)
  expect(got.length).toBe(200)
  subscription.limit(1)
  await ack(subscription, got.splice(0, 199))
  await quiet()
  expect(got.length).toBe(1)
  await ack(subscription, got)
  await until('one more', () => got.length === 2)
})

test('one slow message stops its partition only 50 limits further on', async () => {
  const driver = await place.open()
  await driver.publish(messages(1_000, { key: 'same' }))
  let slow: Delivery | undefined
  let handled = 0
  const { subscription } = await take(driver, {
    limit: 4,
    onDeliveries(deliveries) {
      slow ??= deliveries[0]
      const fast = deliveries.filter((delivery) => delivery !== slow)
      handled += fast.length
      if (fast.length > 0) void ack(subscription, fast)
    },
  })
  await until('the window', () => handled === 199)
  await quiet()
  expect(handled).toBe(199)
  await ack(subscription, slow ? [slow] : [])
  await until('the rest', () => handled === 999)
})

test('a hand-out that breaks off at a damaged row has handed out nothing, and takes no room from the next', async () => {
  const driver = await place.open()
  await driver.publish(messages(8, { key: 'same' }))
  const file = new DatabaseSync(place.path)
  const tables = Array.from({ length: 16 }, (_, part) => `log_${part}`)
  const damage = (headers: string | null) => {
    for (const table of tables) file.prepare(`UPDATE ${table} SET headers = ? WHERE id = 'm4'`).run(headers)
  }
  damage('{')
  const { got, states } = await take(driver, { limit: 8 })
  await until('it is said', () => states.includes('reconnecting'))
  expect(got).toEqual([])
  damage(null)
  file.close()
  await until('all', () => got.length === 8)
  expect(await driver.admin.depth('t', 'g')).toMatchObject({ inFlight: 8, ready: 0 })
})

test('settling twice, with a lost receipt or after close does nothing', async () => {
  const driver = await place.open()
  await driver.publish(messages(2))
  const { subscription, got } = await take(driver)
  await until('both', () => got.length === 2)
  const [first, second] = got as [Delivery, Delivery]
  await Promise.all([ack(subscription, [first, first]), ack(subscription, [first])])
  await subscription.settle([{ kind: 'deadLetter', delivery: first, headers: {} }])
  expect(await driver.admin.depth('t', 'g')).toMatchObject({ dead: 0, inFlight: 1 })
  await subscription.stop()
  await subscription.stop()
  await driver.publish(messages(1, {}, 2))
  await ack(subscription, [second])
  expect(got).toHaveLength(2)
  expect(await driver.admin.depth('t', 'g')).toMatchObject({ ready: 1, inFlight: 0, members: 0 })
  await driver.close()
  await driver.close()
  await ack(subscription, [second])
  await expect(driver.publish(messages(1))).rejects.toThrow(PublishError)
})

test('close hands back what was out, uncounted, and what was counted before keeps its count', async () => {
  const first = await place.open()
  await first.publish(messages(40, { key: 'same' }))
  const one = await take(first, { limit: 10 })
  await until('ten', () => one.got.length === 10)
  await ack(one.subscription, one.got.slice(3, 5))
  await until('two more', () => one.got.length === 12)
  await one.subscription.settle([{ kind: 'retry', delivery: one.got[0] as Delivery, headers: {}, afterMs: 0 }])
  await until('the retry is out', () => one.got.length === 13)
  await first.close()
  const second = await place.open()
  const two = await take(second, { settling: 'ack' })
  await until('the rest', () => two.got.length === 38)
  expect(two.got.map(({ unsettledBefore }) => unsettledBefore)).toEqual(new Array(38).fill(0))
  const order = two.ids().filter((id) => id !== 'm0')
  expect(order).toEqual(messages(40).flatMap(({ id }) => (['m0', 'm3', 'm4'].includes(id) ? [] : [id])))
})

test('a retry comes back when it is due, to that group only, with its headers laid over the original', async () => {
  const driver = await place.open()
  await driver.publish([message('a', { headers: { keep: '1', change: '1' }, key: 'k' })])
  const other = await take(driver, { group: 'other', settling: 'ack' })
  const { subscription, got } = await take(driver)
  await until('it', () => got.length === 1)
  const at = Date.now()
  await subscription.settle([{ kind: 'retry', delivery: got[0] as Delivery, headers: { change: '2', added: '3' }, afterMs: 150 }])
  expect(await driver.admin.depth('t', 'g')).toMatchObject({ delayed: 1, ready: 0, inFlight: 0 })
  await until('it again', () => got.length === 2)
  expect(Date.now() - at).toBeGreaterThanOrEqual(150)
  expect(got[1]?.message).toEqual(message('a', { headers: { keep: '1', change: '2', added: '3' }, key: 'k' }))
  await ack(subscription, got.slice(1))
  await quiet(50)
  expect([got.length, other.got.length]).toEqual([2, 1])
  expect(await driver.admin.depth('t', 'g')).toMatchObject({ delayed: 0, ready: 0, inFlight: 0 })
})

test('dead letters are listed, replayed to their group with headers laid over, purged, and forgotten after their time', async () => {
  const driver = await place.open({ prefix: 'test.' })
  await driver.ensure(
    { topics: [], groups: [{ topic: 't', group: 'g', delays: [], deadLetter: { name: '{topic}.{service}.dead', ttlMs: 60_000 } }] },
    'create',
  )
  await driver.publish(messages(3, { headers: { keep: '1' } }))
  const other = await take(driver, { group: 'other', settling: 'ack' })
  const { subscription, got } = await take(driver)
  await until('all', () => got.length === 3)
  await subscription.settle(got.map((delivery) => ({ kind: 'deadLetter', delivery, headers: { why: 'x' } })))
  const listed = (await driver.admin.deadLetters({ group: 'g', topic: 't' })).letters
  expect(listed.map(({ message: { id, topic, headers }, group, place: where }) => [id, topic, headers, group, where]).sort()).toEqual(
    ['m0', 'm1', 'm2'].map((id) => [id, 't', { keep: '1', why: 'x' }, 'g', 'test.t.test.dead']),
  )
  expect((await driver.admin.deadLetters({ group: 'other' })).letters).toEqual([])
  expect((await driver.admin.deadLetters({ place: 'test.t.test.dead' }, { limit: 2 })).letters).toHaveLength(2)
  expect(await driver.admin.replay({ ids: ['m1', 'nothing'] }, { attempt: '1' })).toBe(1)
  await until('it again', () => got.length === 4)
  expect(got[3]?.message.headers).toEqual({ keep: '1', why: 'x', attempt: '1' })
  expect(await driver.admin.purge({ ids: ['m0'] })).toBe(1)
  expect(await driver.admin.depth('t', 'g')).toMatchObject({ dead: 1, inFlight: 1 })
  expect(other.got).toHaveLength(3)
  await driver.close()
  const later = await place.open({ prefix: 'test.' }, { trimEveryMs: 10, now: () => Date.now() + 60_001 })
  expect(await later.admin.depth('t', 'g')).toMatchObject({ dead: 0 })
  expect((await later.admin.deadLetters({})).letters).toEqual([])
  const rows = new DatabaseSync(place.path)
  await until('it is deleted', () => rows.prepare('SELECT * FROM dead').all().length === 0)
  rows.close()
})

test('lists topics with the groups that read them, and what is missing when it may only check', async () => {
  const driver = await place.open()
  const topology = { topics: ['a', 'b'], groups: [{ topic: 'c', group: 'g', delays: [], deadLetter: {} }] }
  expect((await driver.ensure(topology, 'check')).map(({ what }) => what)).toEqual([
    'topic "a"',
    'topic "b"',
    'topic "c"',
    'dead letters of group "g" on topic "c"',
  ])
  expect(await driver.ensure(topology, 'create')).toEqual([])
  expect(await driver.ensure(topology, 'check')).toEqual([])
  await driver.publish([message('x', { topic: 'a' })])
  await take(driver, { topics: ['a', 'c'] })
  expect(await driver.admin.topics()).toEqual([
    { topic: 'a', groups: ['g'], kept: 1 },
    { topic: 'b', groups: [], kept: 0 },
    { topic: 'c', groups: ['g'], kept: 0 },
  ])
})

test('a topic that no group reads takes a bounded number of messages and then says why not', async () => {
  const driver = await place.open({}, { ungroupedMessages: 10 })
  await driver.publish(messages(10))
  const refused = await driver.publish([...messages(1), message('x', { topic: 'other' })]).catch((error: PublishError) => error)
  expect(refused).toBeInstanceOf(PublishError)
  expect((refused as PublishError).failures).toMatchObject([{ id: 'm0', permanent: false, cause: { code: 'TOPIC_FULL' } }])
  expect(await driver.admin.topics()).toMatchObject([
    { topic: 't', kept: 10 },
    { topic: 'other', kept: 1 },
  ])
  const { got } = await take(driver)
  await driver.publish(messages(5))
  await until('all', () => got.length === 15)
})

test('a tail sees what is stored from its start on, and takes nothing from anybody', async () => {
  const driver = await place.open()
  const other = await place.open()
  await driver.publish(messages(600))
  const all: string[] = []
  const late: string[] = []
  const early: string[] = []
  const earliest = await driver.tail({ topic: 't', from: 'earliest', onMessages: (some) => all.push(...some.map(({ id }) => id)) })
  await driver.tail({ topic: 't', from: 'now', onMessages: (some) => late.push(...some.map(({ id }) => id)) })
  await driver.tail({ topic: 'unborn', from: 'now', onMessages: (some) => early.push(...some.map(({ id }) => id)) })
  await until('all', () => all.length === 600)
  await other.publish([message('new'), message('first', { topic: 'unborn' })])
  await until('the new ones', () => late.length + early.length === 2)
  expect([late, early, all.at(-1)]).toEqual([['new'], ['first'], 'new'])
  await earliest.stop()
  await driver.publish([message('after')])
  await until('the next', () => late.length === 2)
  expect(all).toHaveLength(601)
  expect(await driver.admin.depth('t', 'g')).toMatchObject({ ready: 602 })
})

test('an exclusive group is refused while another member reads it, and free when that one is gone', async () => {
  const driver = await place.open()
  const other = await place.open()
  const first = await take(driver, { exclusive: true })
  await expect(take(other, { exclusive: true })).rejects.toMatchObject({ code: 'GROUP_TAKEN' })
  await expect(take(driver, {})).rejects.toMatchObject({ code: 'GROUP_TAKEN' })
  await take(other, { topics: ['another'], exclusive: true })
  await first.subscription.stop()
  await take(other, { exclusive: true })
})

test('a group starts at the earliest message kept or at the next one, and goes on where it was', async () => {
  const driver = await place.open()
  await driver.publish(messages(5))
  const late = await take(driver, { group: 'late', from: 'latest', settling: 'ack' })
  await driver.publish(messages(1, {}, 5))
  const early = await take(driver, { group: 'early', settling: 'ack' })
  await until('all', () => early.got.length === 6 && late.got.length === 1)
  await late.subscription.stop()
  await driver.publish(messages(1, {}, 6))
  const again = await take(driver, { group: 'late', from: 'latest', settling: 'ack' })
  await until('what came meanwhile', () => again.got.length === 1)
  expect([late.ids(), again.ids()]).toEqual([['m5'], ['m6']])
})
