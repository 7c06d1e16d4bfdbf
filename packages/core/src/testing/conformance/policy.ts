import assert from 'node:assert/strict'
import { exponential } from '../../config/retry.ts'
import { HEADER } from '../../wire/headers.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import { quiet, until } from './wait.ts'

const retrying = casesOf('Retry and dead letters')

/** A timer of a loaded machine, and the way to the broker and back. */
const LATE_MS = 500

interface Body {
  readonly n: number
}

export const policyCases: readonly ConformanceCase[] = [
  retrying('a handler that throws is called again with attempt + 1, until it succeeds', async (room) => {
    const topic = room.topic()
    const messaging = room.messaging()
    const attempts: number[] = []
    const others: number[] = []
    messaging.handle({ topic, group: 'failing', maxRetries: 5, retryDelayMs: 100 }, (_: Body, { attempt, group }) => {
      attempts.push(attempt)
      if (attempt < 4) throw new Error(`${group} fails at attempt ${attempt}`)
    })
    messaging.handle({ topic, group: 'fine' }, (_: Body, { attempt }) => others.push(attempt))
    await messaging.start()
    await messaging.getProducer().send(topic, { n: 0 }, { key: 'k' })
    await until(
      () => attempts.length === 4 && others.length > 0,
      () => [attempts, others],
    )
    await quiet()
    assert.deepEqual(attempts, [1, 2, 3, 4])
    assert.deepEqual(others, [1])
    const { ready, dead } = await (await messaging.driver()).admin.depth(topic, 'failing')
    assert.deepEqual({ ready, dead }, { ready: 0, dead: 0 })
    assert.deepEqual([messaging.counters.retried, messaging.counters.handled], [3, 2])
  }),

  retrying('exactly maxRetries calls after the first, then the dead letters, once, with the error beside the original', async (room) => {
    const topic = room.topic()
    const messaging = room.messaging()
    const attempts: number[] = []
    messaging.handle({ topic, group: 'g', maxRetries: 3, retryDelayMs: 100 }, (_: Body, { attempt }) => {
      attempts.push(attempt)
      throw new Error(`no, at attempt ${attempt}`)
    })
    await messaging.start()
    await messaging.getProducer().send(topic, { n: 7 }, { key: 'k', headers: { mine: 'x' } })
    const { admin } = await messaging.driver()
    await until(
      async () => (await admin.depth(topic, 'g')).dead === 1,
      () => attempts,
    )
    await quiet(500)
    assert.deepEqual(attempts, [1, 2, 3, 4])
    const [letter, ...more] = (await admin.deadLetters({ topic })).letters
    assert.ok(letter)
    assert.deepEqual(more, [])
    const { key, headers, body } = letter.message
    assert.deepEqual([key, headers.mine, new TextDecoder().decode(body)], ['k', 'x', '{"n":7}'])
    assert.deepEqual([headers[HEADER.attempt], headers[HEADER.error], headers[HEADER.reason]], ['4', 'no, at attempt 4', 'failed'])
    assert.deepEqual([headers[HEADER.topic], headers[HEADER.group]], [topic, 'g'])
    assert.match(headers[HEADER.errorStack] ?? '', /at attempt 4\n/)
    assert.ok(Math.abs(Date.parse(headers[HEADER.failedAt] ?? '') - Date.now()) < 60_000)
    assert.deepEqual([messaging.counters.retried, messaging.counters.dead, messaging.counters.handled], [3, 1, 0])
  }),

  retrying(
    'a policy of 0.2, 0.4, 0.8, 1.6 s keeps its times, and another key is handled meanwhile',
    async (room) => {
      const topic = room.topic()
      const messaging = room.messaging()
      const called: number[] = []
      const others: number[] = []
      messaging.handle({ topic, group: 'g', concurrency: 2, maxRetries: 4, backoff: exponential({ firstMs: 200 }) }, ({ n }: Body) => {
        if (n > 0) return others.push(Date.now())
        called.push(Date.now())
        throw new Error('always')
      })
      await messaging.start()
      const producer = messaging.getProducer()
      await producer.send(topic, { n: 0 }, { key: 'broken' })
      while (called.length < 5) {
        await producer.send(topic, { n: 1 }, { key: 'fine' })
        await quiet(20)
        assert.ok(others.length < 1_000, `only ${called.length} calls`)
      }
      for (const [i, wantedMs] of [200, 400, 800, 1_600].entries()) {
        const tookMs = (called[i + 1] ?? 0) - (called[i] ?? 0)
        assert.ok(tookMs >= wantedMs && tookMs <= wantedMs + LATE_MS, `${wantedMs} ms took ${tookMs} ms`)
      }
      const during = others.filter((at) => at > (called[0] ?? 0) && at < (called[4] ?? 0))
      assert.ok(during.length > 10, `only ${during.length} of another key went on`)
    },
    { alone: true },
  ),

  retrying('200 that fail together with a delay of 2 s and jitter come back over more than 200 ms', async (room) => {
    const topic = room.topic()
    const messaging = room.messaging()
    const failedAt = new Map<number, number>()
    const early: number[] = []
    let backAt: number[] = []
    messaging.handle(
      { topic, group: 'g', concurrency: 50, maxRetries: 1, backoff: exponential({ firstMs: 2_000, jitter: 0.2 }) },
      ({ n }: Body, { attempt }) => {
        if (attempt === 1) {
          failedAt.set(n, Date.now())
          throw new Error('together')
        }
        backAt.push(Date.now())
        const waitedMs = Date.now() - (failedAt.get(n) ?? 0)
        if (waitedMs < 2_000) early.push(waitedMs)
      },
    )
    await messaging.start()
    const spans: number[] = []
    // A machine that stands still for the length of the spread hands all of them over at once when it goes on: then once more.
    for (let round = 0; round < 3 && !spans.some((span) => span > 200); round++) {
      backAt = []
      await messaging.getProducer().sendAll(
        topic,
        Array.from({ length: 200 }, (_, n) => ({ message: { n: round * 200 + n } })),
      )
      await until(
        () => backAt.length === 200,
        () => [failedAt.size, backAt.length],
      )
      spans.push(Math.max(...backAt) - Math.min(...backAt))
    }
    assert.ok(
      spans.some((span) => span > 200),
      `all came back within ${spans.join(', ')} ms`,
    )
    assert.deepEqual(early, [])
  }),

  retrying("with ordering 'key' a failed message keeps its key waiting; other keys go on", async (room) => {
    const topic = room.topic()
    const messaging = room.messaging()
    const calls: string[] = []
    messaging.handle({ topic, group: 'g', ordering: 'key', maxRetries: 2, retryDelayMs: 300 }, ({ n }: Body, { key, attempt }) => {
      calls.push(`${key}${n}.${attempt}`)
      if (n === 0 && key === 'a' && attempt < 3) throw new Error('not yet')
    })
    await messaging.start()
    await messaging.getProducer().sendAll(
      topic,
      [0, 1, 2].flatMap((n) => ['a', 'b'].map((key) => ({ message: { n }, key }))),
    )
    await until(
      () => calls.length >= 8,
      () => calls,
    )
    await quiet()
    assert.deepEqual(
      calls.filter((call) => call.startsWith('a')),
      ['a0.1', 'a0.2', 'a0.3', 'a1.1', 'a2.1'],
    )
    assert.deepEqual(
      calls.filter((call) => call.startsWith('b')),
      ['b0.1', 'b1.1', 'b2.1'],
    )
    assert.ok(calls.indexOf('b2.1') < calls.indexOf('a0.2'), `${calls}`)
  }),
]
