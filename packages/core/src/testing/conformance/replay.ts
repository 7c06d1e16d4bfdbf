import assert from 'node:assert/strict'
import type { Messaging } from '../../messaging.ts'
import { replayDeadLetters } from '../../operations/replay.ts'
import { HEADER } from '../../wire/headers.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import type { Room } from './room.ts'
import { quiet, until } from './wait.ts'

const replaying = casesOf('Retry and dead letters')

interface Body {
  readonly n: number
}

/** A handler that can be mended, and ten letters it has given up on. */
async function tenDead(
  room: Room,
): Promise<{ messaging: Messaging; topic: string; attempts: number[]; mend: () => void; others: number[]; mendedAt: number[] }> {
  const topic = room.topic()
  const messaging = room.messaging()
  const attempts: number[] = []
  const mendedAt: number[] = []
  const others: number[] = []
  let broken = true
  messaging.handle({ topic, group: 'g', maxRetries: 1, retryDelayMs: 100 }, (_: Body, { attempt }) => {
    attempts.push(attempt)
    if (broken) throw new Error('broken')
    mendedAt.push(Date.now())
  })
  messaging.handle({ topic, group: 'other' }, ({ n }: Body) => others.push(n))
  await messaging.start()
  await messaging.getProducer().sendAll(
    topic,
    Array.from({ length: 10 }, (_, n) => ({ message: { n }, key: n })),
  )
  const { admin } = await messaging.driver()
  await until(
    async () => (await admin.depth(topic, 'g')).dead === 10 && others.length === 10,
    () => [attempts, others],
  )
  const mend = () => {
    broken = false
  }
  return { messaging, topic, attempts, mend, others, mendedAt }
}

export const replayCases: readonly ConformanceCase[] = [
  replaying(
    'replay into a mended handler: all are handled, attempts counted from 1, at the rate asked for, by that group only',
    async (room) => {
      const { messaging, topic, attempts, mend, others, mendedAt } = await tenDead(room)
      const { admin } = await messaging.driver()
      mend()
      const before = attempts.length
      const startedAt = Date.now()
      assert.equal(await replayDeadLetters(admin, { topic, group: 'g' }, { perSecond: 5 }), 10)
      await until(
        () => mendedAt.length >= 10,
        () => mendedAt.length,
      )
      await quiet()
      assert.deepEqual(attempts.slice(before), Array(10).fill(1))
      assert.equal(others.length, 10)
      assert.equal((await admin.depth(topic, 'g')).dead, 0)
      // Five at once, then five a second later.
      assert.ok(Math.max(...mendedAt) - startedAt >= 950, `took ${Math.max(...mendedAt) - startedAt} ms`)
    },
  ),

  replaying('replay into a handler that is still broken: each letter comes back once, with its origin kept', async (room) => {
    const { messaging, topic, attempts } = await tenDead(room)
    const { admin } = await messaging.driver()
    const one = (await admin.deadLetters({ topic })).letters[0]?.message.id ?? ''
    const before = attempts.length
    assert.equal(await replayDeadLetters(admin, { topic, ids: [one] }), 1)
    await until(
      async () => attempts.length === before + 2 && (await admin.depth(topic, 'g')).dead === 10,
      () => attempts.slice(before),
    )
    await quiet()
    assert.deepEqual(attempts.slice(before), [1, 2])
    assert.equal(await replayDeadLetters(admin, { topic }), 10)
    await until(
      async () => attempts.length === before + 22 && (await admin.depth(topic, 'g')).dead === 10,
      () => attempts.length - before,
    )
    const letters = (await admin.deadLetters({ topic })).letters
    assert.equal(new Set(letters.map(({ message }) => message.id)).size, 10)
    for (const { message, group } of letters)
      assert.deepEqual(
        [group, message.headers[HEADER.topic], message.headers[HEADER.group], message.headers[HEADER.attempt]],
        ['g', topic, 'g', '2'],
      )
  }),
]
