import assert from 'node:assert/strict'
import type { Driver } from '../../driver.ts'
import { CorebusError } from '../../errors.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import { idsOf, messages, type Room, sorted, type Watched } from './room.ts'
import { quiet, until } from './wait.ts'

const removing = casesOf('Retry and dead letters')

const DELAY_MS = 1_000

const groupsOf = async ({ admin }: Driver, topic: string) => (await admin.topics([topic]))[0]?.groups ?? []

async function came(member: Watched, count: number): Promise<void> {
  await until(
    () => member.deliveries.length === count,
    () => member.ids(),
  )
}

/** A group with one message that waits, one that waits for its retry and one that is dead, and no member any more. */
async function leftBehind(room: Room, driver: Driver, topic: string, group: string): Promise<readonly string[]> {
  const member = await room.member(driver, { topics: [topic], group, delaysMs: [0, DELAY_MS] })
  const sent = messages(topic, { count: 2 })
  await driver.publish(sent)
  await came(member, 2)
  const [first, second] = idsOf(sent) as [string, string]
  await member.settle([{ kind: 'deadLetter', delivery: member.delivery(first), headers: {} }])
  await member.settle([{ kind: 'retry', delivery: member.delivery(second), headers: {}, afterMs: DELAY_MS }])
  await member.stop()
  await left(driver, topic, group)
  const [waiting] = messages(topic, { count: 1 })
  assert.ok(waiting)
  await driver.publish([waiting])
  return [first, second, waiting.id]
}

/** Until the broker knows that nobody is there. */
async function left({ admin }: Driver, topic: string, group: string): Promise<void> {
  await until(
    async () => (await admin.depth(topic, group)).members === 0,
    () => admin.depth(topic, group),
  )
}

export const removeGroupCases: readonly ConformanceCase[] = [
  removing('a group that is removed leaves its dead letters and nothing else, and what other groups have is as it was', async (room) => {
    const topic = room.topic()
    // Of its own: on Kafka a group's topics share what waits for a retry.
    const group = `g-${topic}`
    const [driver, elsewhere] = [await room.connect(), await room.connect()]
    const other = await room.member(elsewhere, { topics: [topic], group: `other-${topic}`, limit: 2 })
    const [dead] = await leftBehind(room, driver, topic, group)
    await came(other, 2)
    assert.deepEqual(sorted(await groupsOf(driver, topic)), [group, `other-${topic}`])
    assert.equal(await driver.admin.removeGroup(topic, group), true)
    assert.deepEqual(await groupsOf(driver, topic), [`other-${topic}`])
    assert.deepEqual(idsOf((await driver.admin.deadLetters({ topic })).letters), [dead])
    const { ready, inFlight = 0, delayed = 0 } = await driver.admin.depth(topic, `other-${topic}`)
    // Where the broker does not tell what is out, it is not ready either.
    assert.deepEqual({ ready, delayed }, { ready: 1, delayed: 0 })
    assert.ok(inFlight === 2 || inFlight === 0, `in flight ${inFlight}`)
    await other.ack(...other.deliveries)
    await came(other, 3)
    assert.equal(await driver.admin.removeGroup(topic, group), false)
  }),

  removing(
    'a group of a removed name begins like a new one: neither what waited for the first nor its retries come to it',
    async (room) => {
      const topic = room.topic()
      // Of its own: on Kafka a group's topics share what waits for a retry.
      const group = `g-${topic}`
      const driver = await room.connect()
      // Somebody reads the topic all the time, so that no broker keeps what is published for a group to come.
      const other = await room.member(await room.connect(), { topics: [topic], group: `other-${topic}`, delaysMs: [0, DELAY_MS] })
      await leftBehind(room, driver, topic, group)
      await came(other, 3)
      await other.ack(...other.deliveries)
      await driver.admin.removeGroup(topic, group)
      const again = await room.member(driver, { topics: [topic], group, from: 'latest', delaysMs: [0, 100, DELAY_MS] })
      const [fresh] = messages(topic, { count: 1 })
      assert.ok(fresh)
      await driver.publish([fresh])
      await came(again, 1)
      await again.settle([{ kind: 'retry', delivery: again.delivery(fresh.id), headers: {}, afterMs: 100 }])
      await came(again, 2)
      await again.settle([{ kind: 'deadLetter', delivery: again.delivery(fresh.id), headers: {} }])
      // What another group delays now comes after all that the removed one had delayed.
      await came(other, 4)
      await other.settle([{ kind: 'retry', delivery: other.delivery(fresh.id), headers: {}, afterMs: DELAY_MS }])
      await came(other, 5)
      await quiet()
      assert.deepEqual(again.ids(), [fresh.id, fresh.id])
      const { ready, delayed = 0, dead } = await driver.admin.depth(topic, group)
      assert.deepEqual({ ready, delayed, dead }, { ready: 0, delayed: 0, dead: 2 })
      assert.equal(await driver.admin.replay({ topic, group }, {}), 2)
      await came(again, 4)
    },
  ),

  removing('what a group has of one topic is removed, and its retries on another topic come to it all the same', async (room) => {
    const [topic, kept] = [room.topic(), room.topic()]
    const driver = await room.connect()
    const group = `two-${topic}`
    const member = await room.member(driver, { topics: [topic, kept], group, delaysMs: [0, DELAY_MS] })
    const [gone, stays] = [...messages(topic, { count: 1 }), ...messages(kept, { count: 1 })]
    assert.ok(gone && stays)
    await driver.publish([gone, stays])
    await came(member, 2)
    await member.settle(member.deliveries.map((delivery) => ({ kind: 'retry', delivery, headers: { mine: 'x' }, afterMs: DELAY_MS })))
    await driver.close()
    const operator = await room.connect()
    await left(operator, topic, group)
    await left(operator, kept, group)
    assert.equal(await operator.admin.removeGroup(topic, group), true)
    assert.deepEqual([await groupsOf(operator, topic), await groupsOf(operator, kept)], [[], [group]])
    const again = await room.member(operator, { topics: [topic, kept], group, from: 'latest', delaysMs: [0, DELAY_MS] })
    await came(again, 1)
    await quiet()
    assert.deepEqual(again.ids(), [stays.id])
    assert.equal(again.delivery(stays.id).message.headers.mine, 'x')
    await again.ack(...again.deliveries)
  }),

  removing('a group with a member is not removed, and one that nobody knows is none; a topic without one either', async (room) => {
    const topic = room.topic()
    const [driver, operator] = [await room.connect(), await room.connect()]
    const member = await room.member(driver, { topics: [topic] })
    await assert.rejects(
      operator.admin.removeGroup(topic, 'g'),
      (thrown) => thrown instanceof CorebusError && thrown.code === 'GROUP_HAS_MEMBERS' && thrown.message.includes(topic),
    )
    await driver.publish(messages(topic, { count: 1 }))
    await came(member, 1)
    await member.ack(...member.deliveries)
    assert.equal(await operator.admin.removeGroup(topic, 'nobody'), false)
    assert.equal(await operator.admin.removeGroup(room.topic(), 'g'), false)
  }),
]
