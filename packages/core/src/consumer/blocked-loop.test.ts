import inspector from 'node:inspector'
import { expect, onTestFinished, test } from 'vitest'
import { collector, onMemory, until } from '../../test/kit.ts'

/** Computes without giving way, as a large JSON.parse or a regular expression does. */
function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))

test.each<[string, () => unknown]>([
  ['from its first line', () => block(400)],
  ['from its first line, and returns a promise', async () => block(400)],
  [
    'after it has waited for something',
    async () => {
      await pause(30)
      block(400)
    },
  ],
])('a handler that blocks the event loop past its time-out %s is timed out, and that is said', async (_, blocks) => {
  const { logger, lines } = collector('info')
  const rolledBack: unknown[] = []
  const session = async <T>(work: (db: object) => Promise<T>): Promise<T> =>
    work({}).catch((error: unknown) => {
      rolledBack.push(error)
      throw error
    })
  const messaging = onMemory({ handlerTimeoutMs: 100, session, logger, maxRetries: 1, retryDelayMs: 10 })
  let calls = 0
  messaging.handle({ topic: 't' }, () => (++calls === 1 ? blocks() : undefined))
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(
    () => messaging.counters.handled === 1,
    () => messaging.counters,
  )
  expect(calls).toBe(2)
  expect(rolledBack).toHaveLength(1)
  const said = lines.map(({ msg }) => msg).find((msg) => msg.includes('took longer than handlerTimeoutMs'))
  const [, ms] =
    /: it kept the event loop from turning for (\d+) ms, and nothing else ran in this process; what it did in its session was rolled back/.exec(
      said ?? '',
    ) ?? []
  // A busy machine makes it longer.
  expect(Number(ms)).toBeGreaterThanOrEqual(400)
})

test('one that blocks for less than its time-out has its time', async () => {
  const messaging = onMemory({ handlerTimeoutMs: 1_000, maxRetries: 0 })
  messaging.handle({ topic: 't' }, () => block(400))
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(
    () => messaging.counters.handled === 1,
    () => messaging.counters,
  )
  expect(messaging.counters.dead).toBe(0)
})

test('a breakpoint is no handler that blocks: while a debugger may be attached the loop may stand still', async () => {
  inspector.open(0, '127.0.0.1')
  onTestFinished(() => inspector.close())
  const messaging = onMemory({ handlerTimeoutMs: 100, maxRetries: 0 })
  messaging.handle({ topic: 't' }, () => block(400))
  await messaging.start()
  await messaging.getProducer().send('t', 1)
  await until(
    () => messaging.counters.handled + messaging.counters.dead === 1,
    () => messaging.counters,
  )
  expect(messaging.counters).toMatchObject({ handled: 1, dead: 0 })
})
