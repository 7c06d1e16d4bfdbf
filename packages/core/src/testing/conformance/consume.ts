import assert from 'node:assert/strict'
import { type ConformanceCase, casesOf } from './case.ts'
import { idsOf, messages, numberIn, sorted } from './room.ts'
import { quiet, until } from './wait.ts'

const consuming = casesOf('Consume')

export const consumeCases: readonly ConformanceCase[] = [
  consuming('the members of a group split the messages, without duplicates, and everyone with room gets some', async (room) => {
    const topic = room.topic()
    const connections = [await room.connect(), await room.connect(), await room.connect()]
    const members = await Promise.all(connections.map((driver) => room.member(driver, { topics: [topic], limit: 20 })))
    const sent = messages(topic, { count: 400, keys: 100 })
    await (await room.connect()).publish(sent)
    // Nobody settles yet: with 60 of 400 out, everyone must have got a share.
    await until(
      () => members.every(({ deliveries }) => deliveries.length > 0),
      () => members.map(({ deliveries }) => deliveries.length),
    )
    const settled = members.map(() => 0)
    const total = () => members.reduce((sum, { deliveries }) => sum + deliveries.length, 0)
    const settleAll = async () => {
      for (const [i, { deliveries, ack }] of members.entries()) {
        const from = settled[i] ?? 0
        settled[i] = deliveries.length
        await ack(...deliveries.slice(from))
      }
      return total() >= 400
    }
    await until(settleAll, total)
    await quiet()
    assert.deepEqual(sorted(members.flatMap(({ ids }) => ids())), sorted(idsOf(sent)))
  }),

  consuming('every group has its copy', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const groups = await Promise.all(['a', 'b', 'c'].map((group) => room.member(driver, { topics: [topic], group, acknowledges: true })))
    const sent = messages(topic, { count: 50, keys: 5 })
    await driver.publish(sent)
    for (const group of groups)
      await until(
        () => group.deliveries.length >= 50,
        () => group.deliveries.length,
      )
    await quiet()
    for (const group of groups) assert.deepEqual(sorted(group.ids()), sorted(idsOf(sent)))
  }),

  consuming('topics do not leak, and a group may read several', async (room) => {
    const [one, two, three] = [room.topic(), room.topic(), room.topic()]
    const driver = await room.connect()
    const single = await room.member(driver, { topics: [one], group: 'single', acknowledges: true })
    const both = await room.member(driver, { topics: [one, two], group: 'both', acknowledges: true })
    const sent = [one, two, three].map((topic) => messages(topic, { count: 10 }))
    await driver.publish(sent.flat())
    await until(
      () => single.deliveries.length >= 10 && both.deliveries.length >= 20,
      () => [single.deliveries.length, both.deliveries.length],
    )
    await quiet()
    assert.deepEqual(sorted(single.ids()), sorted(idsOf(sent[0] ?? [])))
    assert.deepEqual(sorted(both.ids()), sorted(idsOf(sent.slice(0, 2).flat())))
  }),

  consuming('two members of a group that read different topics each get theirs', async (room) => {
    const [one, two] = [room.topic(), room.topic()]
    const [a, b] = [await room.connect(), await room.connect()]
    const first = await room.member(a, { topics: [one], acknowledges: true })
    const second = await room.member(b, { topics: [two], acknowledges: true })
    const sent = [messages(one, { count: 30, keys: 3 }), messages(two, { count: 30, keys: 3 })]
    await a.publish(sent.flat())
    await until(
      () => first.deliveries.length >= 30 && second.deliveries.length >= 30,
      () => [first.deliveries.length, second.deliveries.length],
    )
    await quiet()
    assert.deepEqual([sorted(first.ids()), sorted(second.ids())], [sorted(idsOf(sent[0] ?? [])), sorted(idsOf(sent[1] ?? []))])
  }),

  consuming('a member that joins with one more topic gets it while the old ones stay', async (room) => {
    const [old, added] = [room.topic(), room.topic()]
    const driver = await room.connect()
    const first = await room.member(driver, { topics: [old], acknowledges: true })
    await driver.publish(messages(old, { count: 10 }))
    await until(
      () => first.deliveries.length === 10,
      () => first.deliveries.length,
    )
    const second = await room.member(await room.connect(), { topics: [old, added], acknowledges: true })
    const more = [messages(old, { count: 10 }), messages(added, { count: 10 })].flat()
    await driver.publish(more)
    const seen = () => [...first.ids().slice(10), ...second.ids()]
    await until(
      () => seen().length >= 20,
      () => [first.deliveries.length, second.deliveries.length],
    )
    await quiet()
    assert.deepEqual(sorted(seen()), sorted(idsOf(more)))
    assert.ok(first.deliveries.every(({ message }) => message.topic === old))
  }),

  consuming('a member that holds all it may does not hold up all the others', async (room) => {
    const topic = room.topic()
    const connection = await room.connect()
    const stuck = await room.member(connection, { topics: [topic], limit: 2 })
    const driver = await room.connect()
    const sent = messages(topic, { count: 200, keys: 100 })
    await driver.publish(sent)
    await until(
      () => stuck.deliveries.length === 2,
      () => stuck.deliveries.length,
    )
    const other = await room.member(driver, { topics: [topic], limit: 5, acknowledges: true })
    // Where a topic has partitions, those of the stuck member wait for it.
    await until(
      () => other.deliveries.length >= 50,
      () => other.deliveries.length,
    )
    await connection.close()
    await until(
      () => other.deliveries.length >= 200,
      () => other.deliveries.length,
    )
    await quiet()
    assert.deepEqual(sorted(other.ids()), sorted(idsOf(sent)))
  }),

  consuming('a group that was away gets what was published meanwhile', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const first = await room.member(await room.connect(), { topics: [topic], acknowledges: true })
    await driver.publish(messages(topic, { count: 5 }))
    await until(
      () => first.deliveries.length === 5,
      () => first.deliveries.length,
    )
    await first.stop()
    const meanwhile = messages(topic, { count: 10, keys: 2 })
    await driver.publish(meanwhile)
    const again = await room.member(await room.connect(), { topics: [topic], from: 'latest', acknowledges: true })
    await until(
      () => again.deliveries.length >= 10,
      () => again.deliveries.length,
    )
    assert.deepEqual(sorted(again.ids()), sorted(idsOf(meanwhile)))
  }),

  consuming('from the latest: a new group gets what is published once it has subscribed', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    await driver.publish(messages(topic, { count: 10 }))
    const group = await room.member(driver, { topics: [topic], from: 'latest', acknowledges: true })
    const after = messages(topic, { count: 5 })
    await driver.publish(after)
    await until(
      () => group.deliveries.length >= 5,
      () => group.deliveries.length,
    )
    await quiet()
    assert.deepEqual(sorted(group.ids()), sorted(idsOf(after)))
  }),

  consuming('a body that is not JSON is delivered as it is, and the consumer lives on', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const group = await room.member(driver, { topics: [topic], acknowledges: true })
    const [odd, fine] = messages(topic, { count: 2 })
    assert.ok(odd && fine)
    await driver.publish([{ ...odd, body: Uint8Array.of(0xff, 0xfe, 0x00, 0x7b) }])
    await driver.publish([fine])
    await until(
      () => group.deliveries.length >= 2,
      () => group.deliveries.length,
    )
    assert.deepEqual([...group.delivery(odd.id).message.body], [0xff, 0xfe, 0x00, 0x7b])
    assert.equal(numberIn(group.delivery(fine.id).message), 1)
  }),

  consuming('one member at a time when it asks for that: a second is refused until the first has gone', async (room) => {
    const topic = room.topic()
    const [a, b] = [await room.connect(), await room.connect()]
    const first = await room.member(a, { topics: [topic], exclusive: true })
    await a.publish(messages(topic, { count: 1 }))
    await until(
      () => first.deliveries.length === 1,
      () => first.deliveries.length,
    )
    await assert.rejects(room.member(b, { topics: [topic], exclusive: true }), { code: 'GROUP_TAKEN' })
    await assert.rejects(room.member(a, { topics: [topic], exclusive: true }), { code: 'GROUP_TAKEN' })
    // Another group is nobody's business.
    await room.member(b, { topics: [topic], group: 'other', exclusive: true })
    await first.stop()
    await first.ack(...first.deliveries)
    const second = await room.member(b, { topics: [topic], exclusive: true, acknowledges: true })
    await a.publish(messages(topic, { count: 1 }))
    await until(
      () => second.deliveries.length === 1,
      () => second.deliveries.length,
    )
  }),

  consuming('tail sees what is published and leaves every group as it was', async (room) => {
    const topic = room.topic()
    const driver = await room.connect()
    const group = await room.member(driver, { topics: [topic], limit: 3 })
    await driver.publish(messages(topic, { count: 10 }))
    await until(
      () => group.deliveries.length === 3,
      () => group.deliveries.length,
    )
    const before = await driver.admin.depth(topic, 'g')
    const seen: string[] = []
    const watcher = await room.connect()
    const tail = await watcher.tail({ topic, from: 'now', onMessages: (given) => seen.push(...idsOf(given)) })
    const sent = messages(topic, { count: 5 })
    await driver.publish(sent)
    await until(
      () => seen.length >= 5,
      () => seen,
    )
    assert.deepEqual(sorted(seen), sorted(idsOf(sent)))
    assert.deepEqual({ ...(await driver.admin.depth(topic, 'g')), oldestMs: 0 }, { ...before, ready: before.ready + 5, oldestMs: 0 })
    assert.deepEqual((await driver.admin.topics()).find((one) => one.topic === topic)?.groups, ['g'])
    const named = await driver.admin.topics([topic, room.topic()])
    assert.deepEqual(
      named.map((one) => [one.topic, one.groups]),
      [[topic, ['g']]],
    )
    const last = driver.publish(messages(topic, { count: 1 }))
    await tail.stop()
    const atStop = seen.length
    await last
    await driver.publish(messages(topic, { count: 1 }))
    await quiet()
    assert.equal(seen.length, atStop)
  }),
]
