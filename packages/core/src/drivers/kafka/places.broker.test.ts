import { broker } from '@corebus/testbed'
import { afterAll, describe, expect, test } from 'vitest'
import { createTopics } from './fixtures/create-topics.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

const running = await broker('kafka')
afterAll(() => running?.stop())
const url = running?.url ?? ''

describe.skipIf(!running)('what lies on the broker', () => {
  test('topics are made as documented, and one that is there is used as it is', async () => {
    const { topic, group, ...room } = openRoom(url)
    const { admin } = await room.bare()
    await createTopics(admin, [{ topic, numPartitions: 3 }])
    const driver = await room.connected()
    const reader = await member(driver, { topics: [topic], group, delays: [{ afterMs: 100, jitter: 0.2 }], acknowledges: true })
    const names = [topic, `corebus.again.${topic}.${group}`, `corebus.delay.${group}.100`, `${topic}.${group}.dlq`]
    const { topics } = await admin.fetchTopicMetadata({ topics: names })
    const counts = new Map(topics.map(({ name, partitions }) => [name, partitions.length]))
    expect(names.map((name) => counts.get(name))).toEqual([3, 3, 1, 1])
    await driver.publish(messages(topic, 30, { keys: 30 }))
    await reader.nth(30)
    expect((await driver.admin.topics()).filter((one) => one.topic.includes(topic))).toEqual([{ topic, groups: [group] }])
  })

  test('a topic has the partitions that were said of it, and otherwise those said of all, also when its first message makes it', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected({ topics: { partitions: 3, topics: { [`${topic}-wide`]: { partitions: 5 } } } })
    await member(driver, { topics: [topic, `${topic}-wide`], group })
    await driver.publish(messages(`${topic}-first`, 1))
    const { admin } = await room.bare()
    const names = [topic, `${topic}-wide`, `corebus.again.${topic}-wide.${group}`, `${topic}-first`]
    const { topics } = await admin.fetchTopicMetadata({ topics: names })
    expect(new Map(topics.map(({ name, partitions }) => [name, partitions.length]))).toEqual(
      new Map(names.map((name, i) => [name, [3, 5, 5, 3][i]])),
    )
  })

  test.each(['create', 'check'] as const)(
    'of a topic that has fewer than was said of it that is an error, also where %s is asked',
    async (mode) => {
      const { topic, ...room } = openRoom(url)
      await (await room.connected({ topics: { partitions: 3 } })).ensure({ topics: [topic], groups: [] }, 'create')
      const wanting = async (partitions: number) =>
        (await room.connected({ topics: { topics: { [topic]: { partitions } } } })).ensure({ topics: [topic], groups: [] }, mode)
      expect(await wanting(4)).toMatchObject([{ what: `topic ${topic}`, wanted: '4 partitions', found: expect.stringMatching(/^3, /) }])
      expect(await wanting(3)).toEqual([])
      expect(await wanting(2)).toEqual([])
      const { admin } = await room.bare()
      expect((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions).toHaveLength(3)
    },
  )

  test('a letter that an earlier build stored under its id is listed and handed back, and lies there once when it dies again', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected()
    const reader = await member(driver, { topics: [topic], group })
    const { kafka } = await room.bare()
    const producer = kafka.producer()
    await producer.connect()
    const headers = {
      'corebus-id': 'order-7',
      'corebus-attempt': '4',
      'corebus-origin': JSON.stringify({ topic, partition: 0, offset: 5, at: 1_700_000_000_000 }),
      'corebus-dead': JSON.stringify({ topic, group, at: 1_700_000_001_000 }),
    }
    await producer.send({
      topic: `${topic}.${group}.dlq`,
      messages: [{ key: JSON.stringify([group, topic, 'order-7']), value: '{"n":7}', headers }],
    })
    await producer.disconnect()
    const letters = () => driver.admin.deadLetters({ topic }).then(({ letters }) => letters)
    expect((await letters()).map(({ message: { id, body } }) => [id, Buffer.from(body).toString()])).toEqual([['order-7', '{"n":7}']])
    expect(await driver.admin.replay({ topic, ids: ['order-7'] }, {})).toBe(1)
    const delivery = await reader.nth(1)
    expect(await letters()).toEqual([])
    await reader.settle([{ kind: 'deadLetter', delivery, headers: {} }])
    expect((await letters()).map(({ message }) => message.id)).toEqual(['order-7'])
  })

  test('where nothing may be made, everything missing is named, and a publish to a topic that is not there fails for good', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected()
    const missing = await driver.ensure(
      { topics: [topic], groups: [{ topic, group, delays: [{ afterMs: 100, jitter: 0 }], deadLetter: {} }] },
      'check',
    )
    expect(
      missing.filter(({ wanted }) => !wanted.includes('corebus.topology') && !wanted.includes('corebus.clock')).map(({ wanted }) => wanted),
    ).toEqual([
      `topic ${topic} with 12 partitions`,
      `topic corebus.again.${topic}.${group} with 12 partitions, message.timestamp.type=LogAppendTime`,
      `topic corebus.delay.${group}.100 with 1 partition, message.timestamp.type=LogAppendTime`,
      `topic ${topic}.${group}.dlq with 1 partition, cleanup.policy=compact, retention.ms=-1`,
    ])
    await expect(driver.publish(messages(topic, 1))).rejects.toMatchObject({ failures: [{ permanent: true, cause: { code: 'TOPOLOGY' } }] })
    const { admin } = await room.bare()
    expect(await admin.listTopics()).not.toContain(topic)
  })

  test('a deleted topic is made again and said; the other topics of the subscription go on meanwhile', async () => {
    const { topic, group, ...room } = openRoom(url)
    const other = `${topic}-other`
    const driver = await room.connected()
    const reader = await member(driver, { topics: [topic, other], group, acknowledges: true })
    await driver.publish(messages(topic, 40, { keys: 40 }))
    await reader.nth(40)
    const { admin } = await room.bare()
    await admin.deleteTopics({ topics: [topic] })
    await until(() => reader.states.some((state) => state.kind === 'reconnecting' && state.error.message.includes(topic)))
    const sent = [...messages(other, 5), ...messages(topic, 40, { keys: 40 })]
    await driver.publish(sent.slice(0, 5))
    await reader.nth(45)
    await driver.publish(sent.slice(5))
    // None of them is taken for one that was there before.
    await reader.nth(85)
    await quiet()
    expect(reader.ids().slice(40).toSorted()).toEqual(sent.map(({ id }) => id).toSorted())
    await until(() => reader.states.at(-1)?.kind === 'consuming')
  })

  test('what was trimmed before it was read is skipped, and the group goes on with what is there', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected({ topics: { partitions: 1 } })
    const reader = await member(driver, { topics: [topic], group })
    await driver.publish(messages(topic, 10))
    await reader.nth(10)
    await reader.ack(...reader.deliveries.slice(0, 2))
    await driver.close()
    const { admin } = await room.bare()
    await admin.fetchTopicOffsets(topic) // or it does not know the topic
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '6' }] })
    const next = await member(await room.connected(), { topics: [topic], group, acknowledges: true })
    await next.nth(4)
    await quiet()
    expect(next.ids()).toEqual(reader.ids().slice(6))
  })

  test('more partitions are found by a group that runs', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected({ topics: { partitions: 1 } })
    const reader = await member(driver, { topics: [topic], group, acknowledges: true })
    const { admin, producer } = await room.bare()
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    await until(async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions.length === 4)
    await producer.send({ topic, messages: [0, 1, 2, 3].map((partition) => ({ partition, value: String(partition) })) })
    // When one of them is not ready yet kafkajs sends all of them again, so some may be there twice.
    const seen = () => new Set(reader.deliveries.map(({ message }) => String(message.body)))
    await until(() => seen().size === 4, 45_000)
  }, 60_000)

  test('a thousand settled around one that is not stay settled when another member takes over', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected({ topics: { partitions: 1 } })
    const reader = await member(driver, { topics: [topic], group, limit: 2_000 })
    await driver.publish(messages(topic, 1_001))
    await reader.nth(1_001)
    const [held, ...rest] = reader.deliveries
    await reader.ack(...rest.filter((_, i) => i % 2 === 0))
    await reader.ack(...rest.filter((_, i) => i % 4 === 1))
    const left = new Set([held, ...rest.filter((_, i) => i % 4 === 3)].map((one) => one?.message.id))
    await driver.close()
    const next = await member(await room.connected(), { topics: [topic], group, acknowledges: true })
    await next.nth(left.size)
    await quiet()
    expect(new Set(next.ids())).toEqual(left)
    expect(next.deliveries.every(({ unsettledBefore }) => unsettledBefore === 0)).toBe(true)
  })

  test('a second member that comes and goes for a while takes nothing from the first and loses nothing', async () => {
    const { topic, group, ...room } = openRoom(url)
    const driver = await room.connected()
    const seen: string[] = []
    const first = await member(driver, { topics: [topic], group, limit: 50, acknowledges: true })
    const sent: string[] = []
    let on = true
    const publishing = (async () => {
      while (on) {
        const some = messages(topic, 10, { keys: 50 })
        await driver.publish(some)
        sent.push(...some.map(({ id }) => id))
        await quiet(40)
      }
    })()
    let others = 0
    for (let turn = 0; turn < 3; turn++) {
      const guest = await room.connected()
      const second = await member(guest, { topics: [topic], group, limit: 50, acknowledges: true })
      await until(() => second.deliveries.length > 20)
      await guest.close()
      others += second.deliveries.length
      seen.push(...second.ids())
    }
    on = false
    await publishing
    await until(() => new Set([...first.ids(), ...seen]).size === sent.length)
    await quiet()
    expect(others).toBeGreaterThan(60)
    // What a member hands back as it closes may be on its way twice; nothing else.
    expect(first.deliveries.length + seen.length).toBeLessThanOrEqual(sent.length + 3 * 50)
    expect(first.lost).toEqual([])
  }, 60_000)
})
