import assert from 'node:assert/strict'
import { PublishError } from '../../errors.ts'
import { type CaseOptions, type ConformanceCase, casesOf } from './case.ts'
import { idsOf, messages, type Room } from './room.ts'
import type { Faults } from './target.ts'
import { quiet, until } from './wait.ts'

const outage = casesOf('Network and broker')

/** How soon after an outage everything goes on. */
const BACK_MS = 15_000
const DEADLINE_MS = 800

const freezing: CaseOptions = {
  alone: true,
  needs: (_, { faults }) => (faults?.freeze ? undefined : 'nothing stands between this broker and its clients'),
}

function freeze({ target }: Room, forMs: number): Promise<void> {
  const { freeze } = target.faults as Faults & { freeze: NonNullable<Faults['freeze']> }
  return freeze(forMs)
}

export const networkCases: readonly ConformanceCase[] = [
  outage(
    'while the broker does not answer, a publish rejects after its deadline, never silent; what was confirmed is there',
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const confirmed: string[] = []
      const rejected: string[] = []
      const publish = async (count: number) => {
        const some = messages(topic, { count, keys: 5 })
        const startedAt = performance.now()
        try {
          await driver.publish(some, { withinMs: DEADLINE_MS })
          confirmed.push(...idsOf(some))
        } catch (error) {
          assert.ok(error instanceof PublishError, `rejected with ${error}`)
          const failed = error.failures.map(({ id }) => id)
          rejected.push(...failed)
          confirmed.push(...idsOf(some).filter((id) => !failed.includes(id)))
        }
        const tookMs = performance.now() - startedAt
        assert.ok(tookMs < DEADLINE_MS + 2_000, `a publish took ${Math.round(tookMs)} ms`)
      }
      await publish(10)
      assert.equal(confirmed.length, 10)
      const frozen = freeze(room, 3_000)
      const calls = [publish(1_000)]
      for (let i = 0; i < 10; i++) {
        calls.push(publish(1))
        await quiet(100)
      }
      await Promise.all(calls)
      assert.ok(rejected.length >= 1_000, `only ${rejected.length} were rejected`)
      await frozen
      await publish(10)
      const group = await room.member(driver, { topics: [topic], limit: 1_000, acknowledges: true })
      await until(
        () => confirmed.every((id) => group.ids().includes(id)),
        () => [confirmed.length, group.deliveries.length],
      )
      await quiet()
      assert.equal(new Set(group.ids()).size, group.deliveries.length)
      assert.ok(group.ids().every((id) => confirmed.includes(id) || rejected.includes(id)))
    },
    freezing,
  ),

  outage(
    'while the broker does not answer, settlements and publishes wait; then all goes on by itself, and nothing is lost or doubled',
    async (room) => {
      const topic = room.topic()
      const member = await room.member(await room.connect(), { topics: [topic], limit: 20, acknowledges: true })
      const publisher = await room.connect()
      const sent: string[] = []
      const publish = async () => {
        const some = messages(topic, { count: 20, keys: 10 })
        await publisher.publish(some)
        sent.push(...idsOf(some))
      }
      await publish()
      await until(
        () => member.deliveries.length > 0,
        () => 0,
      )
      const pending = Array.from({ length: 20 }, publish)
      const frozen = freeze(room, 3_000)
      await Promise.all([frozen, ...pending])
      const backAt = performance.now()
      await publish()
      await until(
        () => sent.every((id) => member.ids().includes(id)),
        () => [sent.length, member.deliveries.length],
        BACK_MS,
      )
      assert.ok(performance.now() - backAt < BACK_MS)
      await quiet()
      assert.ok(member.deliveries.length <= sent.length + 20, `${member.deliveries.length} deliveries of ${sent.length}`)
      const { ready, dead } = await publisher.admin.depth(topic, 'g')
      assert.deepEqual({ ready, dead }, { ready: 0, dead: 0 })
    },
    freezing,
  ),

  outage(
    'close while the broker does not answer resolves all the same, and the messages are handled elsewhere',
    async (room) => {
      const topic = room.topic()
      const driver = await room.connect()
      const member = await room.member(driver, { topics: [topic], limit: 10 })
      const other = await room.connect()
      await other.publish(messages(topic, { count: 10, keys: 10 }))
      await until(
        () => member.deliveries.length === 10,
        () => member.deliveries.length,
      )
      const frozen = freeze(room, 2_000)
      const startedAt = performance.now()
      await Promise.all([driver.close(), driver.close()])
      assert.ok(performance.now() - startedAt < BACK_MS, `close took ${Math.round(performance.now() - startedAt)} ms`)
      await frozen
      const next = await room.member(other, { topics: [topic], acknowledges: true })
      await until(
        () => next.deliveries.length >= 10,
        () => next.deliveries.length,
        BACK_MS,
      )
    },
    freezing,
  ),
]
