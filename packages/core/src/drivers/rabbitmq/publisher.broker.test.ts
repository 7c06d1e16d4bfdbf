import { chaosProxy, startRabbitmq } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Driver, Message } from '../../driver.ts'
import { createMessaging } from '../../messaging.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

const running = await startRabbitmq()
afterAll(() => running?.stop())
const url = running?.url ?? ''
const CALLS = 200

describe.skipIf(!running)('publishing to RabbitMQ', () => {
  // Not in the list: drivers without `pipelinedBatch` are called once at a time.
  test('calls that overlap leave in their order, also when the connection is cut between them', async () => {
    const proxy = await chaosProxy({ port: Number(new URL(url).port) })
    onTestFinished(() => proxy.close())
    const room = openRoom(proxy.through(url))
    const driver = await room.connected()
    const { pipelinedBatch = 0 } = driver
    const group = await member(await openRoom(url).connected(), { topics: [room.topic], acknowledges: true, limit: 1_000 })
    const sent = messages(room.topic, CALLS * pipelinedBatch, { bytes: 500 })
    const calls = Array.from({ length: CALLS }, (_, n) => driver.publish(sent.slice(n * pipelinedBatch, (n + 1) * pipelinedBatch)))
    for (let cut = 0; cut < 5; cut++) {
      proxy.cutAfter(60_000 + 20_000 * cut)
      await quiet(150)
    }
    await Promise.all(calls)
    await until(() => new Set(group.ids()).size === sent.length)
    expect([...new Set(group.ids())]).toEqual(sent.map(({ id }) => id))
    expect(driver.states.length).toBeGreaterThan(2)
  }, 60_000)

  test('what the broker refuses for now goes again, in order, and is confirmed once it takes it', async () => {
    const room = openRoom(url)
    // Longer than a policy takes to be set on a busy machine.
    const driver = await room.connected({ publishTimeoutMs: 60_000 })
    await limited(driver, room.topic)
    const sent = messages(room.topic, 400)
    let confirmed = 0
    const publish = (some: readonly Message[]) => some.map((message) => driver.publish([message]).then(() => confirmed++))
    const calls = publish(sent.slice(0, 300))
    await quiet(300)
    expect(confirmed).toBeLessThan(300)
    await unlimited(room.topic)
    // Taken at once if they were sent: they wait behind those that were refused.
    await Promise.all([...calls, ...publish(sent.slice(300))])
    const group = await member(driver, { topics: [room.topic], acknowledges: true, limit: 1_000 })
    const ids = sent.map(({ id }) => id)
    await until(() => ids.every((id) => group.ids().includes(id)))
    expect(group.ids().filter((id) => ids.includes(id))).toEqual(ids)
  })

  test('what it refuses until the deadline fails and says why, and other topics go on', async () => {
    const room = openRoom(url)
    const driver = await room.connected({ publishTimeoutMs: 1_500 })
    await limited(driver, room.topic)
    const refused = Promise.allSettled(messages(room.topic, 50).map((message) => driver.publish([message])))
    const other = openRoom(url).topic
    await driver.publish(messages(other, 50))
    const failed = (await refused).filter(({ status }) => status === 'rejected')
    expect(failed.length).toBeGreaterThan(0)
    for (const one of failed)
      expect(one).toMatchObject({
        reason: {
          failures: [
            { permanent: false, cause: { code: 'PUBLISH_TIMEOUT', message: expect.stringMatching(/a policy limits its length/) } },
          ],
        },
      })
  })
})

test.skipIf(!running)('whoever publishes through the core is told why at the deadline, in its words', async () => {
  const room = openRoom(url)
  await limited(await room.connected(), room.topic)
  const messaging = createMessaging({
    broker: 'rabbitmq',
    url,
    service: 'tests',
    publish: { timeoutMs: 1_500 },
    env: { LOG_LEVEL: 'silent' },
  })
  onTestFinished(() => messaging.close())
  const sent = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => messaging.getProducer().send(room.topic, { n })))
  const failed = sent.filter(({ status }) => status === 'rejected')
  expect(failed.length).toBeGreaterThan(0)
  const why =
    /no confirm within 1500 ms \(publish.timeoutMs\): RabbitMQ refused a message for topic \S+: a policy limits its length.*; the message may/
  for (const one of failed) expect(one).toMatchObject({ reason: { code: 'PUBLISH_TIMEOUT', message: expect.stringMatching(why) } })
})

/** To the one that is there: RabbitMQ tells a channel that a queue is full a moment after it is. */
async function limited(driver: Driver, topic: string): Promise<void> {
  await driver.publish(messages(topic, 10))
  await running?.ctl('set_policy', topic, `^${topic}`, '{"max-length":1,"overflow":"reject-publish"}', '--apply-to', 'queues')
  onTestFinished(() => unlimited(topic))
}

async function unlimited(topic: string): Promise<void> {
  await running?.ctl('clear_policy', topic).catch(() => {}) // a test has done so itself
}
