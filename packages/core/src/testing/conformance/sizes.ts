import assert from 'node:assert/strict'
import { PublishError } from '../../errors.ts'
import { HEADER } from '../../wire/headers.ts'
import { type ConformanceCase, casesOf } from './case.ts'
import { messages } from './room.ts'
import { quiet, until } from './wait.ts'

const publishing = casesOf('Publish')
const dying = casesOf('Retry and dead letters')

const MAX_BYTES = 900_000

/** A message whose body, key and headers are exactly the most that is allowed. The correlation is its id unless said. */
function largest(id: string): Uint8Array {
  return new Uint8Array(MAX_BYTES - HEADER.correlation.length - id.length).fill(65)
}

async function rejection(publishing: Promise<unknown>): Promise<PublishError> {
  const error: unknown = await publishing.then(
    () => assert.fail('it was confirmed'),
    (thrown) => thrown,
  )
  assert.ok(error instanceof PublishError, `rejected with ${error}`)
  return error
}

export const sizeCases: readonly ConformanceCase[] = [
  publishing('a message of exactly maxBytes is handled; one byte more is refused at once', async (room) => {
    const topic = room.topic()
    const messaging = room.messaging()
    const sizes: number[] = []
    messaging.handle({ topic, group: 'g', decode: 'bytes' }, (body: Uint8Array) => sizes.push(body.length))
    await messaging.start()
    const producer = messaging.getProducer()
    const body = largest('exact')
    await producer.send(topic, body, { id: 'exact' })
    await assert.rejects(producer.send(topic, new Uint8Array([...body, 65]), { id: 'exact' }), { code: 'TOO_LARGE' })
    await until(
      () => sizes.length > 0,
      () => messaging.counters,
    )
    await quiet()
    assert.deepEqual(sizes, [body.length])
  }),

  publishing('ten with one too large: rejects naming that one, for good; the other nine are there once', async (room) => {
    const topic = room.topic()
    const messaging = room.messaging()
    const seen: string[] = []
    messaging.handle({ topic, group: 'g' }, (_: unknown, { id }) => seen.push(id))
    await messaging.start()
    const ten = Array.from({ length: 10 }, (_, n) => ({
      message: n === 4 ? { n, fat: 'x'.repeat(MAX_BYTES) } : { n },
      id: `${topic}-${n}`,
    }))
    const { failures } = await rejection(messaging.getProducer().sendAll(topic, ten))
    assert.deepEqual(
      failures.map(({ id, permanent }) => ({ id, permanent })),
      [{ id: `${topic}-4`, permanent: true }],
    )
    await until(
      () => seen.length >= 9,
      () => seen,
    )
    await quiet()
    assert.deepEqual(
      seen.toSorted(),
      ten.map(({ id }) => id).filter((id) => !id.endsWith('-4')),
    )
  }),

  publishing('more publishes than may wait: rejects with BACKPRESSURE at once; all others are there', async (room) => {
    const topic = room.topic()
    const messaging = room.messaging({ publish: { maxPending: 10 } })
    const seen: string[] = []
    messaging.handle({ topic, group: 'g' }, (_: unknown, { id }) => seen.push(id))
    await messaging.start()
    const producer = messaging.getProducer()
    const calls = Array.from({ length: 15 }, (_, n) => producer.send(topic, { n }, { id: `${n}` }).then(() => `${n}`))
    const outcomes = await Promise.allSettled(calls)
    const confirmed = outcomes.filter((one) => one.status === 'fulfilled').map(({ value }) => value)
    const refused = outcomes.filter((one) => one.status === 'rejected').map(({ reason }) => reason)
    assert.ok(confirmed.length >= 10 && refused.length > 0, `${confirmed.length} confirmed, ${refused.length} refused`)
    for (const error of refused) assert.equal(error.code, 'BACKPRESSURE')
    await until(
      () => seen.length >= confirmed.length,
      () => seen,
    )
    await producer.send(topic, { n: 15 }, { id: '15' })
    await until(
      () => seen.includes('15'),
      () => seen,
    )
    assert.deepEqual(seen.toSorted(), [...confirmed, '15'].toSorted())
  }),

  publishing('after close the instance rejects, and what was pending is on the broker', async (room) => {
    const topic = room.topic()
    const messaging = room.messaging()
    const producer = messaging.getProducer()
    const pending = Array.from({ length: 50 }, (_, n) => producer.send(topic, { n }))
    await Promise.all([messaging.close(), ...pending])
    await rejection(producer.send(topic, { n: 50 }))
    const member = await room.member(await room.connect(), { topics: [topic], acknowledges: true })
    await until(
      () => member.deliveries.length === 50,
      () => member.deliveries.length,
    )
  }),

  dying('a message of exactly maxBytes whose handler throws a 1 MB error text is retried and dead-lettered', async (room) => {
    const topic = room.topic()
    const messaging = room.messaging()
    const attempts: number[] = []
    messaging.handle({ topic, group: 'g', decode: 'bytes', maxRetries: 1, retryDelayMs: 100 }, (_: Uint8Array, { attempt }) => {
      attempts.push(attempt)
      throw new Error('ü'.repeat(500_000))
    })
    await messaging.start()
    const body = largest('fat')
    await messaging.getProducer().send(topic, body, { id: 'fat' })
    const { admin } = await messaging.driver()
    await until(
      async () => (await admin.depth(topic, 'g')).dead === 1,
      () => attempts,
    )
    const [letter] = (await admin.deadLetters({ topic })).letters
    assert.ok(letter)
    assert.deepEqual(attempts, [1, 2])
    assert.deepEqual(Buffer.from(letter.message.body), Buffer.from(body))
    const added = Object.entries(letter.message.headers).reduce(
      (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
      0,
    )
    assert.ok(added <= 64 * 1024, `${added} bytes of headers`)
    assert.match(letter.message.headers[HEADER.error] ?? '', /^ü+…$/)
  }),

  publishing('a topic is made by its first message: nothing needs to exist before', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    await driver.publish(messages(topic, { count: 3 }))
    assert.ok((await driver.admin.topics()).some((one) => one.topic === topic))
  }),
]
