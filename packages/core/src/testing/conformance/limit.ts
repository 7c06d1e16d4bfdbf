import assert from 'node:assert/strict'
import type { Delivery } from '../../driver.ts'
import { type ConformanceCase, casesOf, ordered } from './case.ts'
import { idsOf, messages, numberIn, outOfOrder, sorted } from './room.ts'
import { quiet, until } from './wait.ts'

const consuming = casesOf('Consume')

export const limitCases: readonly ConformanceCase[] = [
  consuming('never more than the limit unsettled, per topic; as many as are settled come after', async (room) => {
    const [one, two] = [room.topic(), room.topic()]
    const driver = await room.connect()
    const sent = [messages(one, { count: 40, keys: 40 }), messages(two, { count: 40 })].flat()
    await driver.publish(sent)
    const member = await room.member(driver, { topics: [one, two], limit: 4 })
    const settled = new Set<string>()
    const held = (topic: string) => member.deliveries.filter(({ message }) => message.topic === topic && !settled.has(message.id))
    const full = () => held(one).length >= 4 && held(two).length >= 4
    await until(full, member.ids)
    await quiet()
    assert.deepEqual([held(one).length, held(two).length], [4, 4])
    while (member.deliveries.length < 80) {
      const some = [...held(one).slice(0, 3), ...held(two).slice(0, 3)]
      const before = member.deliveries.length
      for (const { message } of some) settled.add(message.id)
      await member.ack(...some)
      await until(
        () => member.deliveries.length > before || settled.size === 80,
        () => [before, settled.size],
      )
      assert.ok(held(one).length <= 4 && held(two).length <= 4, `${held(one).length} and ${held(two).length} unsettled`)
    }
    assert.deepEqual(sorted(member.ids()), sorted(idsOf(sent)))
  }),

  consuming('after limit(0) nothing arrives, after limit(n) it goes on', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const member = await room.member(driver, { topics: [topic], limit: 2 })
    await driver.publish(messages(topic, { count: 100 }))
    await until(
      () => member.deliveries.length === 2,
      () => member.deliveries.length,
    )
    member.limit(0)
    await member.ack(...member.deliveries)
    await quiet()
    // One hand-out may have been under way when the limit changed.
    const paused = member.deliveries.length
    assert.ok(paused <= 4, `${paused} deliveries`)
    await member.ack(...member.deliveries.slice(2))
    await quiet()
    assert.equal(member.deliveries.length, paused)
    member.limit(10)
    await until(
      () => member.deliveries.length === paused + 10,
      () => member.deliveries.length,
    )
    member.limit(100)
    await until(
      () => member.deliveries.length === 100,
      () => member.deliveries.length,
    )
  }),

  consuming('never further than 50 times the limit past the oldest unsettled one', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    // One key, so that all of it lies in one place also where a topic has partitions, each with a line of its own.
    const sent = messages(topic, { count: 600, keys: 1 })
    await driver.publish(sent)
    let first: string | undefined
    const member = await room.member(driver, {
      topics: [topic],
      limit: 4,
      acknowledges({ message }) {
        first ??= message.id
        return message.id !== first
      },
    })
    await until(
      () => member.deliveries.length > 4,
      () => member.deliveries.length,
    )
    await quiet(1_000)
    const reached = member.deliveries.length
    assert.ok(reached <= 50 * 4, `${reached} came while the first was held`)
    await member.ack(member.delivery(first ?? ''))
    await until(
      () => member.deliveries.length >= 600,
      () => member.deliveries.length,
    )
    await quiet()
    assert.deepEqual(sorted(member.ids()), sorted(idsOf(sent)))
  }),

  consuming('the same key in order within a member, however many it may hold', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const member = await room.member(driver, { topics: [topic], limit: 30, acknowledges: true })
    const sent = messages(topic, { count: 600, keys: 5 })
    for (let i = 0; i < 600; i += 60) await driver.publish(sent.slice(i, i + 60))
    await until(
      () => member.deliveries.length >= 600,
      () => member.deliveries.length,
    )
    assert.equal(member.deliveries.length, 600)
    assert.deepEqual(outOfOrder(member.deliveries), [])
  }),

  consuming(
    'a member that joins does not get a key that another holds, until all of it is settled; then in order',
    async (room) => {
      const topic = room.topic()
      const arrived: Delivery[] = []
      const join = async (limit: number) =>
        room.member(await room.connect(), { topics: [topic], limit, onDeliveries: (deliveries) => arrived.push(...deliveries) })
      const holder = await join(2)
      const publisher = await room.connect()
      const sent = messages(topic, { count: 20, keys: 1 })
      await publisher.publish(sent)
      await until(
        () => holder.deliveries.length === 2,
        () => holder.deliveries.length,
      )
      const joined = await join(100)
      await publisher.publish(messages(topic, { count: 64, keys: 64 }).map((message) => ({ ...message, key: `other-${message.key}` })))
      const ofKey = (deliveries: readonly Delivery[]) => deliveries.filter(({ message }) => message.key === 'k0')
      await until(
        () => joined.deliveries.length > 0,
        () => joined.deliveries.length,
      )
      await quiet()
      assert.deepEqual([ofKey(holder.deliveries).length, ofKey(joined.deliveries).length], [2, 0])
      await holder.ack(...holder.deliveries.slice(0, 1))
      await quiet()
      assert.equal(ofKey(joined.deliveries).length, 0)
      for (const { ack, deliveries } of [holder, joined]) await ack(...deliveries)
      await until(
        async () => {
          for (const { ack, deliveries } of [holder, joined]) await ack(...deliveries)
          return ofKey(arrived).length >= 20
        },
        () => ofKey(arrived).length,
      )
      assert.deepEqual(outOfOrder(ofKey(arrived)), [])
      assert.deepEqual(idsOf(ofKey(arrived)), idsOf(sent))
    },
    { needs: ordered },
  ),

  consuming(
    'the same key at one member at a time, in publish order, while members come and go',
    async (room) => {
      const topic = room.topic()
      const publisher = await room.connect()
      const out = new Map<string, { member: number; count: number }>()
      const last = new Map<string, number>()
      const done: string[] = []
      const faults: string[] = []
      const join = async (number: number) => {
        const driver = await room.connect()
        return room.member(driver, {
          topics: [topic],
          limit: 8,
          onDeliveries(deliveries, ack) {
            for (const delivery of deliveries) {
              const key = delivery.message.key ?? ''
              const holder = out.get(key)
              if (holder && holder.count > 0 && holder.member !== number) faults.push(`${key} at ${holder.member} and ${number}`)
              out.set(key, { member: number, count: holder?.member === number ? holder.count + 1 : 1 })
              const n = numberIn(delivery.message)
              if (n <= (last.get(key) ?? -1)) faults.push(`${key}: ${n} after ${last.get(key)}`)
              last.set(key, n)
              setTimeout(() => {
                const mine = out.get(key)
                if (mine) mine.count--
                done.push(delivery.message.id)
                void ack(delivery)
              }, n % 4)
            }
          },
        })
      }
      const sent = messages(topic, { count: 500, keys: 12 })
      const one = await join(1)
      await publisher.publish(sent.slice(0, 150))
      const two = await join(2)
      await publisher.publish(sent.slice(150, 300))
      await until(
        () => two.deliveries.length > 0,
        () => two.deliveries.length,
      )
      await join(3)
      await one.stop()
      await publisher.publish(sent.slice(300))
      await until(
        () => done.length >= 500,
        () => done.length,
      )
      assert.deepEqual(faults, [])
      assert.deepEqual(sorted(done), sorted(idsOf(sent)))
      assert.ok(one.deliveries.length > 0 && two.deliveries.length > 0)
    },
    { needs: ordered },
  ),
]
