import assert from 'node:assert/strict'
import { type ConformanceCase, casesOf, durable } from './case.ts'
import { quiet, until } from './wait.ts'

const stopping = casesOf('Time-out, stop and crash')

interface Body {
  readonly n: number
}

export const shutdownCases: readonly ConformanceCase[] = [
  stopping('a timed-out handler: its later writes are never visible, and its message does not start again while it runs', async (room) => {
    const topic = room.topic()
    const committed: string[] = []
    const messaging = room.messaging<{ db: string[] }>({
      // A session that keeps what is written until the work has succeeded.
      async session(work) {
        const written: string[] = []
        const result = await work(written)
        committed.push(...written)
        return result
      },
    })
    let running = 0
    let most = 0
    let aborted = 0
    messaging.handle(
      { topic, group: 'g', handlerTimeoutMs: 200, maxRetries: 2, retryDelayMs: 100 },
      async (_: Body, { db, attempt, signal }) => {
        running++
        most = Math.max(most, running)
        signal.addEventListener('abort', () => aborted++)
        db.push(`early ${attempt}`)
        if (attempt === 1) await quiet(900)
        db.push(`late ${attempt}`)
        running--
      },
    )
    await messaging.start()
    await messaging.getProducer().send(topic, { n: 1 }, { key: 'k' })
    await until(
      () => committed.length > 0,
      () => ({ running, most, aborted }),
    )
    await quiet()
    assert.deepEqual(committed, ['early 2', 'late 2'])
    assert.deepEqual([most, aborted], [1, 1])
  }),

  stopping('close: fetching stops first, all groups drain at once within the budget, and what ran is settled', async (room) => {
    const topics = [room.topic(), room.topic(), room.topic()]
    const messaging = room.messaging({ shutdownMs: 10_000 })
    const started: string[] = []
    const finished: string[] = []
    for (const topic of topics)
      messaging.handle({ topic, group: `g-${topic}`, concurrency: 2 }, async (_: Body, { id }) => {
        started.push(id)
        await quiet(700)
        finished.push(id)
      })
    await messaging.start()
    for (const topic of topics)
      await messaging.getProducer().sendAll(
        topic,
        Array.from({ length: 10 }, (_, n) => ({ message: { n } })),
      )
    await until(
      () => topics.length <= started.length,
      () => started.length,
    )
    const closedAt = performance.now()
    const atClose = started.length
    await messaging.close()
    const tookMs = performance.now() - closedAt
    assert.equal(started.length, atClose)
    assert.deepEqual(finished.toSorted(), started.toSorted())
    assert.ok(tookMs < 1_900, `three groups of 700 ms took ${Math.round(tookMs)} ms`)

    const next = room.messaging()
    const rest: string[] = []
    for (const topic of topics) next.handle({ topic, group: `g-${topic}` }, (_: Body, { id }) => rest.push(id))
    await next.start()
    await until(
      () => rest.length >= 30 - atClose,
      () => [atClose, rest.length],
    )
    await quiet()
    assert.deepEqual(
      rest.filter((id) => finished.includes(id)),
      [],
    )
    assert.equal(rest.length, 30 - atClose)
  }),

  stopping('over budget: redelivered elsewhere with no attempt spent, never dead-lettered, also at its last attempt', async (room) => {
    const topic = room.topic()
    const first = room.messaging({ shutdownMs: 200, abortGraceMs: 1_000 })
    let aborted = 0
    let started = 0
    first.handle({ topic, group: 'g', maxRetries: 0 }, async (_: Body, { signal }) => {
      started++
      await new Promise<void>((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted++
          reject(signal.reason)
        })
      })
    })
    await first.start()
    await first.getProducer().sendAll(
      topic,
      Array.from({ length: 3 }, (_, n) => ({ message: { n } })),
    )
    await until(
      () => started > 0,
      () => started,
    )
    await first.close()
    assert.equal(aborted, started)

    const second = room.messaging()
    const attempts: number[] = []
    second.handle({ topic, group: 'g', maxRetries: 0 }, (_: Body, { attempt }) => attempts.push(attempt))
    await second.start()
    await until(
      () => attempts.length >= 3,
      () => attempts,
    )
    await quiet()
    assert.deepEqual(attempts, [1, 1, 1])
    assert.equal((await (await second.driver()).admin.depth(topic, 'g')).dead, 0)
    assert.equal(first.counters.dead + first.counters.retried, 0)
  }),

  stopping('close twice, before start, and while it starts: all safe', async (room) => {
    const topic = room.topic()
    const idle = room.messaging()
    await Promise.all([idle.close(), idle.close()])
    const starting = room.messaging()
    starting.handle({ topic, group: 'g' }, () => {})
    const start = starting.start().catch((error: unknown) => error)
    await starting.close()
    await start
    await starting.close()
    const after = room.messaging()
    const seen: number[] = []
    after.handle({ topic, group: 'g' }, ({ n }: Body) => seen.push(n))
    await after.start()
    await after.getProducer().send(topic, { n: 1 })
    await until(
      () => seen.length === 1,
      () => seen,
    )
  }),

  stopping(
    'SIGTERM: what runs is finished and settled, the rest is handled elsewhere, and the process exits with 0',
    async (room) => {
      const topic = room.topic()
      const child = room.child('handler', { topic, tookMs: 300, messaging: { concurrency: 3, shutdownMs: 5_000 } })
      const producer = room.messaging().getProducer()
      await producer.sendAll(
        topic,
        Array.from({ length: 30 }, (_, n) => ({ message: { n } })),
      )
      await until(() => child.heard('started').length > 3, child.trouble)
      child.signal('SIGTERM')
      assert.equal(await child.exited, 0, child.trouble())
      const handled = child.heard('handled').map(({ n }) => n)
      assert.deepEqual(
        handled.toSorted(),
        child
          .heard('started')
          .map(({ n }) => n)
          .toSorted(),
      )
      const rest = room.messaging()
      const seen: number[] = []
      const attempts = new Set<number>()
      rest.handle({ topic, group: 'g' }, ({ n }: Body, { attempt }) => {
        attempts.add(attempt)
        seen.push(n)
      })
      await rest.start()
      await until(
        () => seen.length >= 30 - handled.length,
        () => [handled.length, seen.length],
      )
      await quiet()
      assert.deepEqual(
        [...handled, ...seen].sort((a, b) => a - b),
        Array.from({ length: 30 }, (_, n) => n),
      )
      assert.deepEqual([...attempts], [1])
    },
    { needs: durable },
  ),
]
