import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Delivery } from '../../driver.ts'
import { ack, message, messages, newPlace, type Place, quiet, take, until } from './fixtures/broker.ts'

let place: Place
beforeEach(() => {
  place = newPlace()
})
afterEach(() => place.remove())

// About a second on a quiet machine.
const DEATH_SEEN_MS = 10_000

test('what a killed process held is taken over within seconds, counted once, one at a time and in order', async () => {
  const driver = await place.open()
  await driver.publish(messages(20, { key: 'same' }))
  const member = place.member({ limit: 8, settling: 'hold' })
  await until('eight are out', () => member.taken.length === 8)
  member.kill()
  await member.ended
  const killedAt = Date.now()
  let most = 0
  const { got } = await take(driver, {
    onDeliveries(deliveries) {
      if (deliveries.some(({ unsettledBefore }) => unsettledBefore > 0)) most = Math.max(most, deliveries.length)
    },
  })
  expect(got).toEqual([])
  await until('the first', () => most === 1)
  expect(Date.now() - killedAt).toBeLessThan(DEATH_SEEN_MS)
  expect(await driver.admin.depth('t', 'g')).toMatchObject({ inFlight: 1, ready: 19, members: 1 })
  await driver.close()
  const next = await place.open()
  const taker = await take(next, { settling: 'ack' })
  await until('all', () => taker.got.length === 20)
  expect(taker.got.map(({ message: { id }, unsettledBefore }) => [id, unsettledBefore])).toEqual(
    messages(20).map(({ id }, i) => [id, i < 8 ? 1 : 0]),
  )
})

test('a live member notices the death of another by itself', async () => {
  const driver = await place.open()
  const member = place.member({ limit: 100, settling: 'hold' })
  await member.ready
  await driver.publish(messages(64, {}))
  await until('all are out', () => member.taken.length === 64)
  const { got } = await take(driver, { settling: 'ack' })
  await quiet(100)
  expect(got).toEqual([])
  member.kill()
  const killedAt = Date.now()
  await until('all', () => got.length === 64)
  expect(Date.now() - killedAt).toBeLessThan(DEATH_SEEN_MS)
  expect(readdirSync(`${place.path}-members`)).toHaveLength(1)
})

test('a message that kills its process every time is counted, its neighbours stay at one', async () => {
  const driver = await place.open()
  await driver.publish(messages(50, { key: 'same' }))
  const first = place.member({ limit: 50, settling: 'hold', poison: 'm7' })
  await first.ended
  expect(first.taken).toHaveLength(50)
  for (let deaths = 1; deaths < 5; deaths++) {
    const member = place.member({ limit: 50, settling: 'ack', poison: 'm7' })
    await member.ended
    expect(member.taken.at(-1)).toMatchObject({ id: 'm7', unsettledBefore: deaths })
  }
  const { got } = await take(driver, { settling: 'ack' })
  await until('the rest', () => got.length === 43)
  expect(got[0]).toMatchObject({ message: { id: 'm7' }, unsettledBefore: 5 })
  expect(got.slice(1).map(({ unsettledBefore }) => unsettledBefore)).toEqual(new Array(42).fill(1))
})

test('a delayed message that was out when its process was killed comes back counted', async () => {
  const driver = await place.open()
  await driver.publish(messages(3))
  const first = await take(driver)
  await until('all', () => first.got.length === 3)
  await first.subscription.settle(first.got.map((delivery) => ({ kind: 'retry', delivery, headers: {}, afterMs: 0 })))
  await first.subscription.stop()
  await until('given back', async () => (await driver.admin.depth('t', 'g')).inFlight === first.got.length - 3)
  await driver.close()
  const member = place.member({ settling: 'hold' })
  await until('the retries are out', () => member.taken.length === 3)
  member.kill()
  await member.ended
  const sizes: number[] = []
  const next = await place.open()
  const taken: Delivery[] = []
  const { subscription } = await take(next, {
    onDeliveries(deliveries) {
      sizes.push(deliveries.length)
      taken.push(...deliveries)
      void ack(subscription, deliveries)
    },
  })
  await until('all', () => taken.length === 3)
  expect(taken.map(({ unsettledBefore }) => unsettledBefore)).toEqual([1, 1, 1])
  expect(sizes).toEqual([1, 1, 1])
})

test('a frozen process keeps what it holds', async () => {
  const driver = await place.open()
  await driver.publish(messages(4, { key: 'same' }))
  const member = place.member({ settling: 'hold' })
  await until('all are out', () => member.taken.length === 4)
  member.signal('SIGSTOP')
  const { got } = await take(driver)
  await quiet(2_500)
  expect(got).toEqual([])
  member.signal('SIGCONT')
  await member.close()
  await until('handed back', () => got.length === 4)
  expect(got.map(({ unsettledBefore }) => unsettledBefore)).toEqual([0, 0, 0, 0])
})

test('a member that joins gets its share of the partitions, and gives it up when it leaves', async () => {
  const driver = await place.open()
  const other = await place.open()
  const first = await take(driver, { settling: 'ack' })
  await driver.publish(messages(320))
  await until('all', () => first.got.length === 320)
  const second = await take(other, { settling: 'ack' })
  await until('shared', async () => {
    first.got.length = 0
    second.got.length = 0
    await driver.publish(messages(320))
    await until('all', () => first.got.length + second.got.length === 320)
    return first.got.length === 160
  })
  expect(second.got).toHaveLength(160)
  second.subscription.limit(0)
  await until('paused', async () => {
    first.got.length = 0
    await driver.publish(messages(32))
    await until('some', () => first.got.length > 0)
    await quiet(50)
    return first.got.length === 32
  })
  second.subscription.limit(100)
  await until('resumed', async () => {
    await driver.publish(messages(32))
    await quiet(20)
    return second.got.length > 160
  })
  await second.subscription.stop()
  await until('alone', async () => (await driver.admin.depth('t', 'g')).members === 1)
  first.got.length = 0
  await driver.publish(messages(320, {}, 1_000))
  await until('all', () => first.got.length === 320)
})

test('processes that start at the same moment, with nothing there yet, find each other', async () => {
  const path = join(place.folder, 'new', '.core', 'messages.db')
  const members = Array.from({ length: 5 }, (_, i) => place.member({ path, group: `g${i % 2}`, settling: 'ack' }))
  await Promise.all(members.map((member) => member.ready))
  const driver = await place.open({ url: path })
  const taken = () => members.map((member) => member.taken.length)
  // The first may be done with everything before the last one's share is counted: it gets some of what comes then.
  let published = 0
  await until('each member has some', async () => {
    await driver.publish(messages(160, {}, published))
    published += 160
    await until('both groups have all', () => taken().reduce((sum, count) => sum + count, 0) === 2 * published)
    return taken().every((count) => count > 0)
  })
})

test('members of one group that read different topics each get theirs', async () => {
  const [a, b] = [await place.open(), await place.open()]
  const one = await take(a, { topics: ['one', 'both'], settling: 'ack' })
  const two = await take(b, { topics: ['two', 'both'], settling: 'ack' })
  await a.publish([...messages(50, { topic: 'one' }), ...messages(50, { topic: 'two' }, 50), ...messages(160, { topic: 'both' }, 100)])
  await until('all', () => one.got.length + two.got.length === 260)
  expect(new Set(one.got.map(({ message: { topic } }) => topic))).toEqual(new Set(['one', 'both']))
  expect(new Set(two.got.map(({ message: { topic } }) => topic))).toEqual(new Set(['two', 'both']))
})

test('two members keep the order of every key, while members come, go and are killed', async () => {
  const driver = await place.open()
  const members = [place.member({ limit: 20 }), place.member({ limit: 20 })]
  await Promise.all(members.map((member) => member.ready))
  let published = 0
  const some = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const ids = Array.from({ length: 10 }, (_, n) => message(String(published * 10 + n), { key: `k${n}` }))
      published++
      await driver.publish(ids)
    }
  }
  await some(50)
  const third = place.member({ limit: 20 })
  members.push(third)
  await third.ready
  await some(50)
  members[0]?.kill()
  await some(50)
  await members[1]?.close()
  await some(50)
  const handled = () => members.flatMap(({ taken }) => taken)
  await until('all are handled', () => new Set(handled().map(({ id }) => id)).size === 2_000)
  expect(third.taken.length).toBeGreaterThan(0)
  for (const member of members) {
    const last = new Map<string | undefined, number>()
    for (const { id, key, unsettledBefore } of member.taken) {
      if (unsettledBefore === 0) expect(Number(id)).toBeGreaterThan(last.get(key) ?? -1)
      last.set(key, Math.max(Number(id), last.get(key) ?? -1))
    }
  }
  // In the order of time over all members: nobody starts on a key's next message before another has had the one before.
  const byTime = handled()
    .filter(({ unsettledBefore }) => unsettledBefore === 0)
    .sort((a, b) => a.at - b.at || Number(a.id) - Number(b.id))
  const last = new Map<string | undefined, number>()
  for (const { id, key } of byTime) {
    expect(Number(id)).toBeGreaterThan(last.get(key) ?? -1)
    last.set(key, Number(id))
  }
})

test('a process whose lock file was taken away loses what it held, says so, and is back', async () => {
  const driver = await place.open()
  await driver.publish(messages(5))
  const { subscription, got, lost, states } = await take(driver)
  await until('all', () => got.length === 5)
  renameSync(`${place.path}-members`, `${place.path}-moved`)
  mkdirSync(`${place.path}-members`)
  await until('lost', () => lost.length === 5)
  await ack(subscription, lost)
  await until('again', () => got.length >= 6)
  expect(states).toEqual(['consuming', 'reconnecting', 'consuming'])
})
