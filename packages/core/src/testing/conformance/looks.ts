import assert from 'node:assert/strict'
import type { Capabilities, Driver } from '../../driver.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import { idsOf, messages, sorted } from './room.ts'
import { until } from './wait.ts'

const looking = casesOf('Retry and dead letters')

/** A driver may leave it out. */
function told({ unsettled }: Capabilities): string | undefined {
  return unsettled ? undefined : 'this broker does not tell which messages are out or wait'
}

/** In the depth of the group, or among all that wait in places of this length. */
async function delayed({ admin }: Driver, topic: string, group: string, afterMs: number): Promise<number> {
  const depth = await admin.depth(topic, group)
  if (depth.delayed !== undefined) return depth.delayed
  const shared = (await admin.sharedDelays?.()) ?? []
  return shared.filter((one) => one.afterMs === afterMs && (one.group ?? group) === group).reduce((sum, { waiting }) => sum + waiting, 0)
}

export const lookCases: readonly ConformanceCase[] = [
  looking('what waits for its retry is counted: with its group and topic, or with all that wait as long', async (room) => {
    const [topic, second] = [room.topic(), room.topic()]
    const driver = await room.connect()
    // Of a length that no other case has, where places are shared.
    const afterMs = 600_000 + Math.floor(Math.random() * 100_000)
    const alone = await room.member(driver, { topics: [topic], group: `one-${topic}`, delaysMs: [afterMs] })
    const wide = await room.member(driver, { topics: [topic, second], group: `two-${topic}`, delaysMs: [afterMs] })
    await driver.publish([...messages(topic, { count: 2 }), ...messages(second, { count: 1 })])
    await until(
      () => alone.deliveries.length === 2 && wide.deliveries.length === 3,
      () => [alone.ids(), wide.ids()],
    )
    const operator = await room.connect()
    const counts = async () => [
      await delayed(operator, topic, `one-${topic}`, afterMs),
      (await delayed(operator, topic, `two-${topic}`, afterMs)) + (await delayed(operator, second, `two-${topic}`, afterMs)),
    ]
    assert.deepEqual(await counts(), [0, 0])
    const retry = { kind: 'retry' as const, headers: {}, afterMs }
    await alone.settle(alone.deliveries.map((delivery) => ({ ...retry, delivery })))
    const [of, both] = await counts()
    assert.ok((of ?? 0) >= 2, `${of} are counted for the group with two`)
    await wide.settle(wide.deliveries.map((delivery) => ({ ...retry, delivery })))
    const [, all = 0] = await counts()
    assert.ok(all - (both ?? 0) >= 3, `${all} are counted, and were ${both} before three more`)
  }),

  looking(
    'each message that is out or waits for its retry is told by its id, and none that was handed back, is settled or waits for its turn',
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const before = Date.now()
      const sent = messages(topic, { count: 6, keys: 6 })
      const member = await room.member(driver, { topics: [topic], limit: 4, delaysMs: [60_000] })
      await driver.publish(sent)
      await until(
        () => member.deliveries.length === 4,
        () => member.ids(),
      )
      const operator = await room.connect()
      const looked = async (limit = 100) => (await operator.admin.unsettled?.(topic, 'g', { limit })) ?? []
      const out = await looked()
      assert.deepEqual(sorted(out.map(({ id }) => id)), sorted(member.ids()))
      for (const { id, key, state, publishedAt, handedOutAt } of out) {
        assert.deepEqual([state, key], ['in flight', sent.find((one) => one.id === id)?.key])
        const since = publishedAt ?? handedOutAt ?? 0
        assert.ok(since >= before - 1_000 && since <= Date.now() + 1_000, `since ${since}`)
      }
      assert.equal((await looked(2)).length, 2)
      member.limit(0)
      const [first, second, third, fourth] = member.deliveries
      assert.ok(first && second && third && fourth)
      await member.settle([
        { kind: 'ack', delivery: first },
        { kind: 'retry', delivery: second, headers: {}, afterMs: 60_000 },
        { kind: 'deadLetter', delivery: third, headers: {} },
      ])
      const now = await looked()
      assert.deepEqual(
        sorted(now.map(({ id, state }) => `${id} ${state}`)),
        sorted([`${fourth.message.id} in flight`, `${second.message.id} delayed`]),
      )
      assert.equal(now.find(({ state }) => state === 'delayed')?.key, second.message.key)
      assert.deepEqual(idsOf((await operator.admin.deadLetters({ topic })).letters), [third.message.id])
      await driver.close()
      assert.deepEqual(
        (await looked()).map(({ id }) => id),
        [second.message.id],
      )
      assert.deepEqual(await operator.admin.unsettled?.(topic, 'nobody', { limit: 10 }), [])
    },
    { needs: told },
  ),
]
