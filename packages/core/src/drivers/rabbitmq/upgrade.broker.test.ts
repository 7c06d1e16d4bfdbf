import { broker } from '@corebus/testbed'
import { afterAll, describe, expect, test } from 'vitest'
import { BEFORE, start, tasks, upgradesOn } from '../fixtures/upgrade/upgrade.ts'
import { member, messages, openRoom, until } from './fixtures/room.ts'

const running = await broker('rabbitmq')
afterAll(() => running?.stop())
const url = running?.url ?? ''

upgradesOn(running && { broker: 'rabbitmq', url })

// The build before gave the exchange of a topic an alternate exchange, and bound the queues of groups to it.
describe.skipIf(!running)('an exchange that the build before has made', () => {
  const place = { broker: 'rabbitmq', url } as const

  test('is used as it is and said; its group gets each message once, whoever publishes it', async () => {
    const room = openRoom(url)
    const old = await start({ module: BEFORE, place, topic: room.topic, handles: {} })
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], group: 'other', acknowledges: true })
    expect(group.states.slice(1)).toMatchObject([
      { kind: 'consuming', notice: { code: 'EARLIER_EXCHANGE', message: expect.stringContaining(`delete exchange name=${room.topic}`) } },
    ])
    await old.publish(tasks(0, 50, 'succeeds'))
    await group.nth(50)
    await driver.publish(messages(room.topic, 10))
    await group.nth(60)
    await until(() => old.said.filter(({ handled }) => handled !== undefined).length >= 50)
    const { channel } = await room.bare()
    expect(await channel.checkQueue(`${room.topic}.unclaimed`)).toMatchObject({ messageCount: 0 })
    expect(group.deliveries.length).toBe(60)
    await old.close()
  }, 60_000)

  test('that only publishers have used since loses nothing for a group of the build before, and keeps nothing twice', async () => {
    const room = openRoom(url)
    const old = await start({ module: BEFORE, place, topic: room.topic, handles: {} })
    const driver = await room.connected()
    expect(await driver.ensure({ topics: [room.topic], groups: [] }, 'create')).toEqual([])
    const { publish, channel } = await room.bare()
    for (let n = 0; n < 20; n++) await publish(room.topic, '', JSON.stringify({ n, does: 'succeeds' }))
    await until(() => old.said.filter(({ handled }) => handled !== undefined).length === 20)
    expect(await channel.checkQueue(`${room.topic}.unclaimed`)).toMatchObject({ messageCount: 0 })
    await old.close()
  }, 60_000)

  test('is a plain fanout as soon as it is deleted by hand: its groups go on, and anybody may declare it', async () => {
    const room = openRoom(url)
    const old = await start({ module: BEFORE, place, topic: room.topic, handles: {} })
    await old.publish(tasks(0, 5, 'succeeds'))
    await old.close()
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    const { channel } = await room.bare()
    await channel.deleteExchange(room.topic)
    await driver.publish(messages(room.topic, 5))
    await group.nth(5)
    await channel.assertExchange(room.topic, 'fanout', { durable: true })
    const next = await member(await room.connected(), { topics: [room.topic], group: 'next' })
    expect(next.states).toHaveLength(1)
    await driver.publish(messages(room.topic, 5))
    await next.nth(5)
    await group.nth(10)
  }, 60_000)

  test('is told by a check: what is missing behind it', async () => {
    const room = openRoom(url)
    const old = await start({ module: BEFORE, place, topic: room.topic, handles: {} })
    await old.close()
    const differences = await (await room.connected()).ensure({ topics: [room.topic], groups: [] }, 'check')
    expect(differences).toEqual([
      { what: `the groups of topic ${room.topic}, exchange ${room.topic}:groups`, wanted: 'exists', found: 'missing' },
    ])
  }, 60_000)
})
