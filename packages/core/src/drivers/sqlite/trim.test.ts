import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Delivery } from '../../driver.ts'
import { ack, messages, newPlace, type Place, quiet, take, until } from './fixtures/broker.ts'

let place: Place
beforeEach(() => {
  place = newPlace()
})
afterEach(() => place.remove())

const HOUR_MS = 3_600_000

/** A date that can be set. */
function shifted(): { byMs: number; now: () => number } {
  const clock = { byMs: 0, now: () => Date.now() + clock.byMs }
  return clock
}

test('deletes what every group has settled and is a day old, and nothing else', async () => {
  const clock = shifted()
  const driver = await place.open({}, { trimEveryMs: 20, now: clock.now })
  const kept = async () => (await driver.admin.topics())[0]?.kept
  await driver.publish(messages(3_000))
  const quick = await take(driver, { group: 'quick', limit: 1_000, settling: 'ack' })
  const slow = await take(driver, { group: 'slow', limit: 5_000 })
  await until('both have all', () => quick.got.length === 3_000 && slow.got.length === 3_000)
  await quiet(100)
  expect(await kept()).toBe(3_000)
  clock.byMs = 25 * HOUR_MS
  await driver.publish(messages(10, {}, 3_000))
  await quiet(100)
  expect(await kept()).toBe(3_010)
  const held = slow.got[0] as Delivery
  await ack(
    slow.subscription,
    slow.got.filter((delivery) => delivery !== held),
  )
  await until('most are gone', async () => Number(await kept()) < 300)
  expect(Number(await kept())).toBeGreaterThan(10)
  await ack(slow.subscription, [held])
  await until('the old are gone', async () => (await kept()) === 10)
  const late = await take(driver, { group: 'late' })
  await until('what is kept', () => late.got.length === 10)
})

test('a topic that no group reads keeps its messages for a week', async () => {
  const clock = shifted()
  const driver = await place.open({}, { trimEveryMs: 20, now: clock.now })
  const kept = async () => (await driver.admin.topics())[0]?.kept
  await driver.publish(messages(20))
  clock.byMs = 6 * 24 * HOUR_MS
  await driver.publish(messages(1, {}, 20))
  await quiet(150)
  expect(await kept()).toBe(21)
  clock.byMs = 8 * 24 * HOUR_MS
  await until('the old are gone', async () => (await kept()) === 1)
  const { got } = await take(driver)
  await until('the young', () => got.length === 1)
  expect(got[0]?.message.id).toBe('m20')
})
