import assert from 'node:assert/strict'
import { type ConformanceCase, casesOf, durable, ordered } from './case.ts'
import type { Child } from './child.ts'
import { idsOf, messages, sorted } from './room.ts'
import { quiet, until } from './wait.ts'

const crashing = casesOf('Time-out, stop and crash')

/** How soon the messages of a dead process must be with somebody else. */
const TAKEN_OVER_MS = 30_000

async function ready(child: Child): Promise<Child> {
  await until(
    () => child.heard('ready').length > 0,
    () => child.trouble(),
  )
  return child
}

function deliveredIn(child: Child): readonly string[] {
  return child.heard('delivered').map(({ id }) => id)
}

/** It was about to settle these when it died, and had no time to say whether it did. */
function inDoubt(child: Child): readonly string[] {
  const settled = new Set(child.heard('settled').map(({ id }) => id))
  return child
    .heard('started')
    .map(({ id }) => id)
    .filter((id) => !settled.has(id))
}

export const crashCases: readonly ConformanceCase[] = [
  crashing(
    'kill -9 in a handler: another member has the message within 30 s, and knows it was handed out before',
    async (room) => {
      const topic = room.topic()
      const child = await ready(room.child('member', { topic, limit: 1 }))
      const driver = await room.connect()
      const [sent] = messages(topic, { count: 1, keys: 1 })
      assert.ok(sent)
      await driver.publish([sent])
      await until(() => deliveredIn(child).length === 1, child.trouble)
      const other = await room.member(driver, { topics: [topic] })
      await quiet()
      assert.equal(other.deliveries.length, 0)
      await child.kill()
      await until(
        () => other.deliveries.length === 1,
        () => other.ids(),
        TAKEN_OVER_MS,
      )
      assert.equal(other.delivery(sent.id).unsettledBefore, 1)
      await other.ack(...other.deliveries)
      assert.equal((await driver.admin.depth(topic, 'g')).dead, 0)
    },
    { needs: durable },
  ),

  crashing(
    "a dead member's messages are taken over, never deleted; what it had settled stays settled",
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const sent = messages(topic, { count: 1_000, keys: 20 })
      await driver.publish(sent)
      // Acknowledges one after another, slowly: at its end some are settled, some held, some never handed out.
      const child = room.child('member', { topic, limit: 60, does: 'ack', tookMs: 15 })
      const waiting = () => child.heard('delivered').length - child.heard('started').length
      await until(() => child.heard('settled').length >= 30 && waiting() >= 10, child.trouble)
      await child.kill()
      const settled = child.heard('settled').map(({ id }) => id)
      const doubtful = inDoubt(child)
      const held = deliveredIn(child).filter((id) => !settled.includes(id))
      assert.ok(held.length > doubtful.length, 'nothing was held at the kill')

      const other = await room.member(driver, { topics: [topic], limit: 1_000, acknowledges: true })
      const seen = () => new Set([...settled, ...doubtful, ...other.ids()])
      await until(
        () => seen().size === 1_000,
        async () => ({
          seen: seen().size,
          missing: idsOf(sent).filter((id) => !seen().has(id)),
          depth: await driver.admin.depth(topic, 'g'),
        }),
        TAKEN_OVER_MS,
      )
      await quiet()
      const twice = other.ids().filter((id) => settled.includes(id))
      assert.deepEqual(twice, [])
      assert.equal(new Set(other.ids()).size, other.ids().length)
      const counted = other.deliveries.filter(({ unsettledBefore }) => unsettledBefore > 0).map(({ message }) => message.id)
      // Beside what it had: what was on its way to it, where a network is between.
      assert.ok(counted.length <= 60, `${counted.length} count as handed out, and at most 60 were`)
      for (const id of other.ids()) if (held.includes(id)) assert.ok(counted.includes(id), 'a message that was handed out does not count')
      assert.equal((await driver.admin.depth(topic, 'g')).dead, 0)
    },
    { needs: durable },
  ),

  crashing(
    'what a killed publisher had confirmed is there, in order per key',
    async (room) => {
      const topic = room.topic()
      const child = room.child('publisher', { topic })
      await until(() => child.heard('confirmed').length >= 50, child.trouble)
      await child.kill()
      const confirmed = child.heard('confirmed').flatMap(({ ids }) => ids)
      const group = await room.member(await room.connect(), { topics: [topic], limit: 1_000, acknowledges: true })
      await until(
        () => {
          const seen = new Set(group.ids())
          return confirmed.every((id) => seen.has(id))
        },
        () => ({ confirmed: confirmed.length, seen: group.deliveries.length }),
      )
      await quiet()
      // At most the one call whose confirm it did not live to say.
      assert.ok(group.deliveries.length <= confirmed.length + 10, `${group.deliveries.length} of ${confirmed.length}`)
      assert.equal(new Set(group.ids()).size, group.deliveries.length)
    },
    { needs: durable },
  ),

  crashing(
    'a retry and its attempt survive the process that asked for it',
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const child = await ready(room.child('member', { topic, does: 'retry' }))
      const sent = messages(topic, { count: 10, keys: 3 })
      await driver.publish(sent)
      await until(() => child.heard('settled').length === 10, child.trouble)
      await child.kill()
      const settledAt = Date.now()
      const other = await room.member(driver, { topics: [topic], acknowledges: true })
      await until(
        () => other.deliveries.length >= 10,
        () => other.deliveries.length,
        TAKEN_OVER_MS,
      )
      assert.ok(Date.now() - settledAt > 500, 'the delay was forgotten')
      await quiet()
      assert.deepEqual(sorted(other.ids()), sorted(idsOf(sent)))
      for (const { message, unsettledBefore } of other.deliveries)
        assert.deepEqual([message.headers['corebus-attempt'], unsettledBefore], ['2', 0])
    },
    { needs: durable },
  ),

  crashing(
    'a member killed ten times in a row: every message handled, none dead, at most what it held handed out twice',
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const sent = messages(topic, { count: 2_000, keys: 40 })
      await driver.publish(sent)
      const settled: string[] = []
      const doubtful: string[] = []
      let handedOut = 0
      for (let life = 0; life < 10; life++) {
        const child = room.child('member', { topic, limit: 10, does: 'ack', tookMs: 15 })
        await until(() => child.heard('settled').length >= 20, child.trouble, TAKEN_OVER_MS)
        await child.kill()
        settled.push(...child.heard('settled').map(({ id }) => id))
        doubtful.push(...inDoubt(child))
        handedOut += child.heard('delivered').length
      }
      const last = await room.member(driver, { topics: [topic], acknowledges: true })
      await until(
        () => new Set([...settled, ...doubtful, ...last.ids()]).size === 2_000,
        () => settled.length + last.deliveries.length,
        TAKEN_OVER_MS,
      )
      await quiet()
      assert.ok(handedOut + last.deliveries.length <= 2_000 + 10 * 10, `${handedOut + last.deliveries.length} deliveries of 2,000 messages`)
      assert.equal((await driver.admin.depth(topic, 'g')).dead, 0)
    },
    { needs: durable, timeoutMs: 120_000 },
  ),

  crashing(
    'members in three processes: each message once, the same key at one at a time and in order',
    async (room) => {
      const topic = room.topic()
      const children = [1, 2, 3].map(() => room.child('member', { topic, limit: 10, does: 'ack', tookMs: 2 }))
      for (const child of children) await ready(child)
      const driver = await room.connect()
      const sent = messages(topic, { count: 600, keys: 30 })
      for (let i = 0; i < 600; i += 100) await driver.publish(sent.slice(i, i + 100))
      const settled = () => children.flatMap((child, member) => child.heard('settled').map((one) => ({ ...one, member })))
      await until(
        () => settled().length >= 600,
        () => [settled().length, ...children.map((child) => child.trouble())],
      )
      await quiet()
      assert.deepEqual(sorted(settled().map(({ id }) => id)), sorted(idsOf(sent)))
      for (const child of children) assert.ok(child.heard('settled').length > 0, 'a member got nothing')
      for (const ofKey of Map.groupBy(settled(), ({ key }) => key).values()) {
        const inTime = ofKey.sort((a, b) => a.startedAtMs - b.startedAtMs)
        for (const [i, one] of inTime.entries()) {
          const before = inTime[i - 1]
          if (!before) continue
          assert.ok(before.n < one.n, `${one.key}: ${one.n} after ${before.n}`)
          assert.ok(before.endedAtMs <= one.startedAtMs, `${one.key}: ${before.n} and ${one.n} at once`)
        }
      }
    },
    {
      needs: (capabilities) => durable(capabilities) ?? ordered(capabilities),
    },
  ),
]
