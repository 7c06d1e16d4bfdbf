import { broker } from '@corebus/testbed'
import type { ConsumeMessage } from 'amqplib'
import { afterAll, describe, expect, test } from 'vitest'
import { PublishError } from '../../errors.ts'
import { newId } from '../../wire/id.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

const running = await broker('rabbitmq')
afterAll(() => running?.stop())
const url = running?.url ?? ''

describe.skipIf(!running)('places on RabbitMQ', () => {
  test('a deleted queue is made anew and said; its messages go on, and so do the other topics of the group', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const [one, two] = [`${room.topic}-1`, `${room.topic}-2`]
    const group = await member(driver, { topics: [one, two] })
    await driver.publish([...messages(one, 1), ...messages(two, 1)])
    await group.nth(2)
    const { channel } = await room.bare()
    await channel.deleteQueue(`${one}:g`)
    await until(() => group.states.at(-1)?.kind === 'consuming' && group.states.length === 3)
    expect(group.states[1]).toMatchObject({ kind: 'reconnecting', error: { message: expect.stringContaining(`${one}:g was deleted`) } })
    expect(group.lost.map(({ message }) => message.topic)).toEqual([one])
    await group.ack(...group.deliveries)
    const more = [...messages(one, 5), ...messages(two, 5)]
    await driver.publish(more)
    await group.nth(12)
    expect(new Set(group.ids().slice(2))).toEqual(new Set(more.map(({ id }) => id)))
  })

  test('deleted delay and dead-letter places, and the whole topic, are made anew by what needs them', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], delays: [{ afterMs: 130, jitter: 0 }] })
    const { channel } = await room.bare()
    await driver.publish(messages(room.topic, 3))
    await group.nth(3)

    await channel.deleteQueue('corebus:delay.130')
    await group.settle([{ kind: 'retry', delivery: await group.nth(1), headers: {}, afterMs: 130 }])
    await group.nth(4)
    await channel.deleteExchange('corebus:delay')
    await group.settle([{ kind: 'retry', delivery: await group.nth(4), headers: {}, afterMs: 130 }])
    await group.nth(5)
    await channel.deleteQueue(`${room.topic}.g.dlq`)
    await group.settle([{ kind: 'deadLetter', delivery: await group.nth(5), headers: {} }])
    expect((await driver.admin.depth(room.topic, 'g')).dead).toBe(1)

    await channel.deleteExchange(room.topic)
    await channel.deleteExchange(`${room.topic}:unclaimed`)
    await channel.deleteQueue(`${room.topic}.unclaimed`)
    const [late] = messages(room.topic, 1)
    await driver.publish(late ? [late] : [])
    // Its binding went with the exchange: somebody looks every 15 s.
    await until(() => group.ids().includes(late?.id ?? ''), 25_000)
    await driver.publish(messages(room.topic, 1))
    await group.nth(7)
  }, 60_000)

  test('a retry that falls due while its queue is gone is not lost: the broker moves it when the queue is there again', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], delays: [{ afterMs: 300, jitter: 0 }] })
    const sent = messages(room.topic, 20)
    await driver.publish(sent)
    await group.nth(20)
    await group.settle(group.deliveries.map((delivery) => ({ kind: 'retry', delivery, headers: {}, afterMs: 300 })))
    await driver.close()
    const { channel } = await room.bare()
    await channel.deleteQueue(`${room.topic}:g`)
    await quiet(1_000)
    const again = await member(await room.connected(), { topics: [room.topic], acknowledges: true })
    await until(() => sent.every(({ id }) => again.ids().includes(id)), 15_000)
  })

  test('many members that begin at once on what does not exist yet all work, whoever makes it', async () => {
    const room = openRoom(url)
    const drivers = await Promise.all(Array.from({ length: 6 }, () => room.connected()))
    // 3.10 may end a connection whose consumer comes while another is still making the queue.
    for (let round = 0; round < 5; round++) {
      const topic = `${room.topic}-${round}`
      const groups = await Promise.all(drivers.map((driver) => member(driver, { topics: [topic], acknowledges: true, limit: 10 })))
      const sent = messages(topic, 60)
      await drivers[0]?.publish(sent)
      await until(() => sent.every(({ id }) => groups.some((group) => group.ids().includes(id))))
    }
  })

  test('what lands beside a group that has just begun is found', async () => {
    const room = openRoom(url)
    const group = await member(await room.connected(), { topics: [room.topic] })
    const { publish } = await room.bare()
    await publish('', `${room.topic}.unclaimed`, '{}', { messageId: 'late' })
    expect((await group.nth(1)).message.id).toBe('late')
  })

  test('what no group takes is kept up to a number, then publishing is refused and says why', async () => {
    const room = openRoom(url)
    const driver = await room.connected({ tuning: { unclaimedMessages: 20 } })
    const sent = messages(room.topic, 1_000)
    const refused = new Set<string>()
    // The broker takes some more, until it has told the publisher's channel.
    for (let i = 0; i < 1_000 && refused.size === 0; i += 10)
      await driver.publish(sent.slice(i, i + 10)).catch((error: unknown) => {
        if (!(error instanceof PublishError)) throw error
        const [first] = error.failures
        expect(first).toMatchObject({
          permanent: false,
          cause: { code: 'TOPIC_FULL', message: expect.stringContaining('no group has read') },
        })
        for (const { id } of [...error.failures, ...sent.slice(i + 10)]) refused.add(id)
      })
    expect(refused.size).toBeGreaterThan(0)
    const kept = sent.filter(({ id }) => !refused.has(id))
    expect(kept.length).toBeGreaterThanOrEqual(20)
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    await until(() => group.deliveries.length === kept.length)
    expect(group.ids().toSorted()).toEqual(kept.map(({ id }) => id).sort())
    await driver.publish(sent.slice(0, 1))
  })

  test('a million messages without a group, and seven days, are the bounds', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    await driver.publish(messages(room.topic, 1))
    await member(driver, { topics: [room.topic] })
    const { channel } = await room.bare()
    const quorum = { 'x-queue-type': 'quorum', 'x-delivery-limit': 1_000_000 }
    const unclaimed = { ...quorum, 'x-message-ttl': 604_800_000, 'x-max-length': 1_000_000, 'x-overflow': 'reject-publish' }
    // The broker itself compares: anything else is refused.
    await channel.assertQueue(`${room.topic}.unclaimed`, { arguments: unclaimed })
    await channel.assertQueue(`${room.topic}.g.dlq`, { arguments: quorum })
    const work = { ...quorum, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'corebus:given-up' }
    await channel.assertQueue(`${room.topic}:g`, { arguments: work })
    const delay = { 'x-queue-type': 'quorum', 'x-message-ttl': 100, 'x-dead-letter-exchange': '' }
    await channel.assertQueue('corebus:delay.100', {
      arguments: { ...delay, 'x-dead-letter-strategy': 'at-least-once', 'x-overflow': 'reject-publish' },
    })
    const bare = await room.bare()
    bare.channel.on('error', () => {})
    await expect(bare.channel.assertQueue(`${room.topic}:g`, { arguments: { ...work, 'x-delivery-limit': 20 } })).rejects.toMatchObject({
      code: 406,
    })
  })

  test('where creating is forbidden, nothing is created: publishing to what is missing is refused for good', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const wanted = { topics: [room.topic], groups: [] }
    expect((await driver.ensure(wanted, 'check')).map(({ what }) => what)).toEqual([
      `what no group of topic ${room.topic} has taken, exchange ${room.topic}:unclaimed`,
      `what no group of topic ${room.topic} has taken, queue ${room.topic}.unclaimed`,
      `the groups of topic ${room.topic}, exchange ${room.topic}:groups`,
      `topic ${room.topic}, exchange ${room.topic}`,
    ])
    const [message] = messages(room.topic, 1)
    await expect(driver.publish(message ? [message] : [])).rejects.toMatchObject({
      failures: [{ permanent: true, cause: { code: 'TOPOLOGY' } }],
    })
    expect(await driver.ensure(wanted, 'check')).toHaveLength(4)
    const maker = await room.connected()
    expect(await maker.ensure(wanted, 'create')).toEqual([])
    expect(await driver.ensure(wanted, 'check')).toEqual([])
    await driver.publish(message ? [message] : [])
  })

  test('an exchange that somebody made differently is a difference in words', async () => {
    const room = openRoom(url)
    const { channel } = await room.bare()
    await channel.assertExchange(room.topic, 'topic', { durable: true })
    expect(await (await room.connected()).ensure({ topics: [room.topic], groups: [] }, 'create')).toEqual([
      {
        what: `topic ${room.topic}, exchange ${room.topic}: type`,
        wanted: "'fanout'",
        found: "'topic'. An exchange of others is read with from: { exchange }",
      },
    ])
  })

  test('groups may share a place for their dead letters: listed, replayed and deleted each for itself', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const name = `dead-${room.topic}`
    const [one, two] = [`${room.topic}-1`, `${room.topic}-2`]
    const groups = [
      await member(driver, { topics: [one], group: 'a', deadLetter: { name } }),
      await member(driver, { topics: [one, two], group: 'b', deadLetter: { name } }),
    ]
    await driver.publish([...messages(one, 2), ...messages(two, 2)])
    await groups[0]?.nth(2)
    await groups[1]?.nth(4)
    for (const group of groups) await group.settle(group.deliveries.map((delivery) => ({ kind: 'deadLetter', delivery, headers: {} })))
    const count = async (filter: { topic?: string; group?: string }) =>
      (await driver.admin.deadLetters({ place: name, ...filter })).letters.length
    expect([await count({}), await count({ group: 'a' }), await count({ topic: one }), await count({ topic: two, group: 'b' })]).toEqual([
      6, 2, 4, 2,
    ])
    expect((await driver.admin.depth(one, 'b')).dead).toBe(2)
    expect(await driver.admin.replay({ place: name, topic: one, group: 'b' }, {})).toBe(2)
    await groups[1]?.nth(6)
    await quiet()
    expect([groups[0]?.deliveries.length, groups[1]?.deliveries.length]).toEqual([2, 6])
    expect(await driver.admin.purge({ topic: two })).toBe(2)
    expect([await count({}), await count({ group: 'a' })]).toEqual([2, 2])
  })

  test('of many letters exactly those asked for leave, however they lie', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], limit: 500 })
    const sent = messages(room.topic, 400)
    await driver.publish(sent)
    await group.nth(400)
    await group.settle(group.deliveries.map((delivery) => ({ kind: 'deadLetter', delivery, headers: {} })))
    const [thirds, sevenths] = [3, 7].map((n) => sent.filter((_, i) => i % n === 0).map(({ id }) => id))
    expect(await driver.admin.purge({ topic: room.topic, ids: thirds ?? [] })).toBe(134)
    expect(await driver.admin.replay({ topic: room.topic, ids: sevenths ?? [] }, {})).toBe(38)
    await group.nth(438)
    await quiet()
    expect(group.deliveries.length).toBe(438)
    expect((await driver.admin.deadLetters({ topic: room.topic })).letters).toHaveLength(400 - 134 - 38)
  })

  test('a paced replay passes over letters that it fails with and those of others, and all that can go have gone', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const [one, two] = [`${room.topic}-1`, `${room.topic}-2`]
    const deadLetter = { name: `dead-${room.topic}` }
    const group = await member(driver, { topics: [one], group: 'a', deadLetter, acknowledges: true })
    await member(driver, { topics: [two], group: 'b', deadLetter })
    const others = messages(two, 30)
    const wide = messages(one, 2).map((message) => ({ ...message, headers: { wide: 'x'.repeat(47 * 1024) } }))
    const sent = messages(one, 12)
    await driver.admin.bury(others.map((message) => ({ message, group: 'b' })))
    await driver.admin.bury([...wide, ...sent].map((message) => ({ message, group: 'a' })))
    const parts: number[] = []
    const left: number[] = []
    const pace = {
      atOnce: 2,
      async turn() {
        left.push((await driver.admin.deadLetters({ place: deadLetter.name })).letters.length)
      },
      onReplayed: (count: number) => void parts.push(count),
    }
    const replay = driver.admin.replay({ topic: one }, { more: 'y'.repeat(17 * 1024) }, pace)
    await expect(replay).rejects.toMatchObject({ code: 'TOO_LARGE', message: expect.stringContaining('(12 other letters have gone)') })
    expect(parts.reduce((sum, count) => sum + count, 0)).toBe(12)
    expect(Math.max(...parts)).toBeLessThanOrEqual(2)
    expect([left[0], left.at(-1)]).toEqual([44, 32])
    await group.nth(12)
    await quiet()
    expect(new Set(group.ids())).toEqual(new Set(sent.map(({ id }) => id)))
    expect(group.deliveries.length).toBe(12)
    expect((await driver.admin.deadLetters({ topic: two })).letters).toHaveLength(30)
  }, 60_000)

  test('of many letters only as many are read as are asked for, and what leaves may be more than one page', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const { channel, publish } = await room.bare()
    const place = `${room.topic}.g.dlq`
    const ids = Array.from({ length: 2_300 }, (_, n) => `letter-${n}`)
    await Promise.all(ids.map((messageId, n) => publish('', place, '{}', { messageId, headers: { 'corebus-dead-at': n * 10_000 } })))
    const oldest = async () =>
      (await driver.admin.deadLetters({ topic: room.topic }, { limit: 10 })).letters.map(({ message }) => message.id)
    for (let n = 0; n < 5; n++) expect(await oldest()).toEqual(ids.slice(0, 10))
    const taken: ConsumeMessage[] = []
    const { consumerTag } = await channel.consume(place, (letter) => letter && taken.push(letter), { noAck: true })
    await until(() => taken.length === ids.length)
    await channel.cancel(consumerTag)
    expect(taken.filter(({ properties }) => properties.headers?.['x-delivery-count']).length).toBeLessThan(100)
    await Promise.all(
      taken.map(({ properties }) => publish('', place, '{}', { messageId: properties.messageId, headers: properties.headers ?? {} })),
    )
    // From all of the second page, and one of the fourth, with those before them staying.
    const chosen = [...ids.slice(500, 1_000), 'letter-1700']
    expect(await driver.admin.purge({ topic: room.topic, ids: chosen })).toBe(501)
    expect(await driver.admin.replay({ topic: room.topic, ids: ['letter-3', 'letter-2299'] }, {})).toBe(2)
    await group.nth(2)
    expect(await oldest()).toEqual(['letter-0', 'letter-1', 'letter-2', ...ids.slice(4, 11)])
    expect((await driver.admin.deadLetters({ topic: room.topic })).letters).toHaveLength(2_300 - 503)
    expect(await oldest()).toEqual(['letter-0', 'letter-1', 'letter-2', ...ids.slice(4, 11)])
    expect(await driver.admin.purge({ topic: room.topic })).toBe(2_300 - 503)
    expect((await driver.admin.depth(room.topic, 'g')).dead).toBe(0)
  }, 60_000)

  test('a watcher of a topic that no group reads leaves it for the first group, and goes on when there is one', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const seen: string[] = []
    const tail = await driver.tail({ topic: room.topic, from: 'now', onMessages: (given) => seen.push(...given.map(({ id }) => id)) })
    const first = messages(room.topic, 5)
    await driver.publish(first)
    await until(() => seen.length === 5)
    expect((await driver.admin.depth(room.topic, 'g')).ready).toBe(5)
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    await group.nth(5)
    await until(async () => {
      await driver.publish(messages(room.topic, 1))
      return seen.length > 5
    })
    await tail.stop()
    const later = newId()
    await driver.publish([{ id: later, topic: room.topic, headers: {}, body: Buffer.from('{}') }])
    await until(() => group.ids().includes(later))
    await quiet()
    expect(seen).not.toContain(later)
  })
})
