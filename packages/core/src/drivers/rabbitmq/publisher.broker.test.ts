import { broker, chaosProxy } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

const running = await broker('rabbitmq')
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
})
