import { broker, chaosProxy } from '@corebus/testbed'
import { afterAll, describe, expect, test } from 'vitest'
import type { Delivery } from '../../driver.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

const running = await broker('rabbitmq')
afterAll(() => running?.stop())
const url = running?.url ?? ''

const counted = (deliveries: readonly Delivery[]) => deliveries.filter(({ unsettledBefore }) => unsettledBefore > 0).length

describe.skipIf(!running)('limits on RabbitMQ', () => {
  test('however the limit changes under load: nothing is given back and counted, the order is kept, the limit holds', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const sent = messages(room.topic, 6_000, { keys: 20 })
    await driver.publish(sent)
    const group = await member(driver, { topics: [room.topic], limit: 1 })
    const limits = [20, 40, 80, 160, 120, 300, 1, 50, 0, 7, 1_000, 2, 200]
    let limit = 1
    let acked = 0
    let worst = 0
    for (let round = 0; acked < sent.length; round++) {
      if (round % 20 === 19 && acked < 5_000) {
        limit = limits[(round - 19) / 20] ?? 100
        group.limit(limit)
      }
      await until(() => group.deliveries.length > acked || limit === 0)
      const some = group.deliveries.slice(acked, acked + 15)
      worst = Math.max(worst, group.deliveries.length - acked)
      acked += some.length
      await group.ack(...some)
      if (limit === 0) await quiet(5)
    }
    expect(counted(group.deliveries)).toBe(0)
    expect(group.ids()).toEqual(sent.map(({ id }) => id))
    expect(worst).toBeLessThanOrEqual(1_000)
    expect((await driver.admin.depth(room.topic, 'g')).ready).toBe(0)
  }, 60_000)

  test('a lower limit holds as soon as what is out has come down to it', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    await driver.publish(messages(room.topic, 300))
    const group = await member(driver, { topics: [room.topic], limit: 100 })
    await group.nth(100)
    group.limit(10)
    await group.ack(...group.deliveries.slice(0, 98))
    await until(() => group.deliveries.length === 108)
    await quiet()
    expect(group.deliveries.length).toBe(108)
    // With one long handler among them the others go on.
    for (let acked = 99; acked < 150; acked++) await group.ack(await group.nth(acked + 1))
    await until(() => group.deliveries.length >= 158)
    expect(counted(group.deliveries)).toBe(0)
  })

  test('members that stop under load give back and count nothing, whatever was on its way', async () => {
    const room = openRoom(url)
    const publisher = await room.connected()
    const sent = messages(room.topic, 3_000)
    await publisher.publish(sent)
    const handled: string[] = []
    for (let turn = 0; turn < 8; turn++) {
      const driver = await room.connected()
      const group = await member(driver, { topics: [room.topic], limit: 50, acknowledges: true })
      await group.nth(60)
      await group.stop()
      await driver.close()
      expect(counted(group.deliveries)).toBe(0)
      handled.push(...group.ids())
    }
    const last = await member(publisher, { topics: [room.topic], limit: 500, acknowledges: true })
    await until(() => handled.length + last.deliveries.length >= 3_000)
    await quiet()
    expect(counted(last.deliveries)).toBe(0)
    expect([...handled, ...last.ids()].sort()).toEqual(sent.map(({ id }) => id).sort())
  }, 60_000)

  test('acknowledged one by one, and closed at once: none comes again', async () => {
    for (let round = 0; round < 5; round++) {
      const room = openRoom(url)
      const publisher = await room.connected()
      await publisher.publish(messages(room.topic, 500))
      const driver = await room.connected()
      const group = await member(driver, { topics: [room.topic], limit: 500 })
      await group.nth(500)
      await group.stop()
      // All but the first, so each needs a word of its own, and then the first.
      void group.ack(...group.deliveries.slice(1))
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
      void group.ack(...group.deliveries.slice(0, 1))
      await driver.close()
      expect((await publisher.admin.depth(room.topic, 'g')).ready).toBe(0)
    }
  })

  test('members of an exclusive group give back in order, and what they gave back counts as no crash, however often', async () => {
    const room = openRoom(url)
    const publisher = await room.connected()
    const sent = messages(room.topic, 40, { keys: 2 })
    const ids = sent.map(({ id }) => id)
    await publisher.publish(sent)
    // More hand-backs than a crash limit, of members that hold more and fewer than the one before.
    for (const limit of [10, 30, 1, 5, 20, 40, 3]) {
      const driver = await room.connected()
      const group = await member(driver, { topics: [room.topic], exclusive: true, limit })
      await group.nth(limit)
      expect(group.ids()).toEqual(ids.slice(0, limit))
      expect(counted(group.deliveries)).toBe(0)
      await driver.close()
    }
    const last = await member(publisher, { topics: [room.topic], exclusive: true, acknowledges: true })
    await last.nth(40)
    expect(last.ids()).toEqual(ids)
    expect(counted(last.deliveries)).toBe(0)
  })

  test('a member of an exclusive group that is cut off is a crash, and its successor has the messages in order', async () => {
    const room = openRoom(url)
    const publisher = await room.connected()
    const sent = messages(room.topic, 10, { keys: 1 })
    await publisher.publish(sent)
    const proxy = await chaosProxy({ port: Number(new URL(url).port || 5672), host: new URL(url).hostname })
    const driver = await room.connected({ url: proxy.through(url) })
    const first = await member(driver, { topics: [room.topic], exclusive: true, limit: 4 })
    await first.nth(4)
    await proxy.close()
    await until(() => first.lost.length === 4)
    const next = await member(publisher, { topics: [room.topic], exclusive: true, acknowledges: true })
    await next.nth(10)
    expect(next.ids()).toEqual(sent.map(({ id }) => id))
    expect(next.deliveries.map(({ unsettledBefore }) => unsettledBefore)).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
  })
})
