import assert from 'node:assert/strict'
import { Reject, RetryLater } from '../../errors.ts'
import { defineEvent } from '../../wire/event-type.ts'
import { HEADER } from '../../wire/headers.ts'
import type { Schema } from '../../wire/schema.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import { quiet, until } from './wait.ts'

const refusing = casesOf('Retry and dead letters')

/** Any library that speaks Standard Schema will do; this one is four lines. */
const Numbered: Schema<{ n: number }> = {
  '~standard': {
    version: 1,
    vendor: 'conformance',
    validate: (value) => (isNumbered(value) ? { value } : { issues: [{ message: 'n must be a number', path: ['n'] }] }),
  },
}

function isNumbered(value: unknown): value is { n: number } {
  return typeof value === 'object' && value !== null && 'n' in value && typeof value.n === 'number'
}

export const refusalCases: readonly ConformanceCase[] = [
  refusing('Reject, a body that is not JSON and a failed schema go to the dead letters at the first attempt', async (room) => {
    const topic = room.topic()
    const messaging = room.messaging()
    const calls: number[] = []
    messaging.handle({ topic, group: 'g', schema: Numbered, maxRetries: 5, retryDelayMs: 100 }, ({ n }) => {
      calls.push(n)
      if (n === 1) throw new Reject('never')
    })
    await messaging.start()
    const producer = messaging.getProducer()
    const wrong = new TextEncoder().encode('{"n":')
    await producer.send(topic, { n: 1 }, { id: 'rejected' })
    await producer.send(topic, wrong, { id: 'not-json' })
    await producer.send(topic, { n: 'two' }, { id: 'schema' })
    await producer.send(topic, { n: 3 })
    const { admin } = await messaging.driver()
    await until(
      async () => calls.includes(3) && (await admin.depth(topic, 'g')).dead === 3,
      () => admin.depth(topic, 'g'),
    )
    await quiet(500)
    assert.deepEqual(calls.toSorted(), [1, 3])
    const letters = (await admin.deadLetters({ topic })).letters
    const reasons = new Map(letters.map(({ message }) => [message.id, message.headers[HEADER.reason]]))
    assert.deepEqual([...reasons].sort(), [
      ['not-json', 'not-json'],
      ['rejected', 'rejected'],
      ['schema', 'schema'],
    ])
    for (const { message } of letters) assert.equal(message.headers[HEADER.attempt], '1')
    const unread = letters.find(({ message }) => message.id === 'not-json')
    assert.deepEqual([...(unread?.message.body ?? [])], [...wrong])
    assert.equal(messaging.counters.retried, 0)
  }),

  refusing('with deadLetter: false what cannot be read is dropped, counted, and stored nowhere', async (room) => {
    const topic = room.topic()
    const messaging = room.messaging()
    messaging.handle({ topic, group: 'g', deadLetter: false, maxRetries: 0 }, () => {
      throw new Error('always')
    })
    await messaging.start()
    await messaging.getProducer().send(topic, { n: 1 })
    await until(
      () => messaging.counters.dropped === 1,
      () => messaging.counters,
    )
    const { admin } = await messaging.driver()
    await until(
      async () => (await admin.depth(topic, 'g')).inFlight !== 1,
      () => admin.depth(topic, 'g'),
    )
    const { ready, dead } = await admin.depth(topic, 'g')
    assert.deepEqual({ ready, dead }, { ready: 0, dead: 0 })
  }),

  refusing('an event that nobody in the group handles is acknowledged and counted, never dead-lettered', async (room) => {
    const topic = room.topic()
    const Known = defineEvent('known', Numbered, { topic })
    const Unknown = defineEvent('unknown', Numbered, { topic })
    const messaging = room.messaging()
    const seen: number[] = []
    messaging.on(Known, { group: 'g' }, ({ data }) => seen.push(data.n))
    await messaging.start()
    for (const n of [1, 2, 3]) await messaging.publishEvent(Unknown, { n })
    await messaging.publishEvent(Known, { n: 4 })
    await until(
      () => seen.length === 1 && messaging.counters.skipped === 3,
      () => [seen, messaging.counters],
    )
    const { admin } = await messaging.driver()
    await until(
      async () => (await admin.depth(topic, 'g')).inFlight !== 1,
      () => admin.depth(topic, 'g'),
    )
    const { ready, dead } = await admin.depth(topic, 'g')
    assert.deepEqual({ ready, dead, seen }, { ready: 0, dead: 0, seen: [4] })
  }),

  refusing('RetryLater spends no attempt', async (room) => {
    const topic = room.topic()
    const messaging = room.messaging()
    const attempts: number[] = []
    messaging.handle({ topic, group: 'g', maxRetries: 1, retryDelayMs: 150 }, (_: unknown, { attempt }) => {
      attempts.push(attempt)
      if (attempts.length < 4) throw new RetryLater(100)
      if (attempts.length === 4) throw new Error('once')
    })
    await messaging.start()
    await messaging.getProducer().send(topic, { n: 1 })
    await until(
      () => attempts.length === 5,
      () => attempts,
    )
    await quiet()
    assert.deepEqual(attempts, [1, 1, 1, 1, 2])
    assert.deepEqual([messaging.counters.snoozed, messaging.counters.dead], [3, 0])
  }),

  refusing('what a handler publishes carries the correlation of what it handles, and that as its cause', async (room) => {
    const [first, second] = [room.topic(), room.topic()]
    const messaging = room.messaging()
    const seen: Readonly<Record<string, string>>[] = []
    messaging.handle({ topic: first, group: 'g', maxRetries: 1, retryDelayMs: 100 }, async (_: unknown, { attempt }) => {
      messaging.emit('done', { n: 1 }, { topic: second })
      // What was recorded before a failure does not leave.
      if (attempt === 1) throw new Error('once')
    })
    messaging.handle({ topic: second, group: 'g2' }, (_: unknown, { headers }) => seen.push(headers))
    await messaging.start()
    await messaging.getProducer().send(first, { n: 1 }, { id: 'cause', correlationId: 'correlation' })
    await until(
      () => seen.length > 0,
      () => messaging.counters,
    )
    await quiet()
    assert.deepEqual(
      seen.map((headers) => [headers[HEADER.correlation], headers[HEADER.causation]]),
      [['correlation', 'cause']],
    )
  }),
]
