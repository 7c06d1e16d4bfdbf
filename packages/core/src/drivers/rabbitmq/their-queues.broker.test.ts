import { startRabbitmq } from '@corebus/testbed'
import type { Options } from 'amqplib'
import { afterAll, describe, expect, test } from 'vitest'
import type { Source } from '../../driver.ts'
import { bareAmqplib } from './fixtures/foreign.ts'
import { pika } from './fixtures/pika.ts'
import { member, openRoom, quiet, until } from './fixtures/room.ts'

// Queues of others that a group reads, as one more consumer of them.

const running = await startRabbitmq()
afterAll(() => running?.stop())
const url = running?.url ?? ''
const python = running && (await pika(url))
const ctl = async (...args: string[]) => running?.ctl(...args)

describe.skipIf(!running).each(['classic', 'quorum'] as const)('a %s queue of others', (type) => {
  const theirs = { durable: true, arguments: { 'x-queue-type': type, 'x-dead-letter-exchange': 'their.dlx', 'x-max-length': 10_000 } }

  test('is shared with its other consumers; retries and dead letters are ours', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const queue = `shop.${room.topic}`
    await channel.assertQueue(queue, theirs)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], source: { queue }, limit: 4 })
    const lacks = group.states.flatMap((state) => (state.kind === 'consuming' && state.notice ? [state.notice] : []))
    expect(lacks).toMatchObject([
      { code: 'SOURCE_LACKS', message: expect.stringContaining(type === 'quorum' ? 'delivery limit' : 'does not count') },
    ])
    await publish('', queue, '{"n":1}', { messageId: 'one', headers: { 'corebus-attempt': '9' } })
    const first = await group.nth(1)
    expect(first).toMatchObject({ original: true, unsettledBefore: 0 })
    await group.settle([{ kind: 'retry', delivery: first, headers: { 'corebus-attempt': '2' }, afterMs: 100 }])
    const second = await group.nth(2)
    expect(second).toMatchObject({ original: false, message: { id: 'one', headers: { 'corebus-attempt': '2' } } })
    expect(driver.raw?.(second)).toMatchObject({ exchange: '', routingKey: queue })
    await group.settle([{ kind: 'deadLetter', delivery: second, headers: { 'corebus-reason': 'failed' } }])
    expect(await driver.admin.depth(room.topic, 'g')).toMatchObject({ dead: 1, ready: 0 })
    expect(await driver.admin.replay({ topic: room.topic }, { 'corebus-attempt': '1' })).toBe(1)
    expect((await group.nth(3)).message.id).toBe('one')
    await group.ack(await group.nth(3))
    expect(await driver.admin.topics([room.topic])).toMatchObject([{ topic: room.topic, groups: ['g'] }])

    // Another consumer has its share, and the broker compares what they declared: nothing of it has changed.
    const others = await room.bare()
    const seen: string[] = []
    await others.channel.prefetch(1)
    await others.channel.consume(queue, (message) => {
      if (!message) return
      seen.push(message.properties.messageId)
      others.channel.ack(message)
    })
    for (let n = 0; n < 40; n++) await publish('', queue, '{}', { messageId: `n${n}` })
    await until(async () => {
      await group.ack(...group.deliveries.slice(3))
      return seen.length + group.deliveries.length - 3 === 40
    })
    expect([seen.length > 0, group.deliveries.length > 3]).toEqual([true, true])
    expect(new Set([...seen, ...group.ids().slice(3)]).size).toBe(40)
    await others.channel.assertQueue(queue, theirs)
  })

  test('gets back what a member has in hand when it stops, in its place, and never more than the limit is out of both queues', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const queue = `shop.${room.topic}`
    await channel.assertQueue(queue, theirs)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], source: { queue }, limit: 8, delays: [{ afterMs: 50, jitter: 0 }] })
    for (let n = 0; n < 30; n++) await publish('', queue, '{}', { messageId: `n${n}` })
    await until(() => group.deliveries.length === 6)
    // Two of eight are for what comes back.
    await group.settle(group.deliveries.slice(0, 4).map((delivery) => ({ kind: 'retry', delivery, headers: { again: '1' }, afterMs: 50 })))
    await until(() => group.deliveries.length === 12)
    await quiet()
    expect(group.deliveries.length).toBe(12)
    expect(group.deliveries.filter(({ message }) => message.headers.again).length).toBe(2)
    await driver.close()
    const [left, ours] = [await channel.checkQueue(queue), await channel.checkQueue(`${room.topic}:g`)]
    expect([left.messageCount, ours.messageCount]).toEqual([26, 4])
  })

  test('isolates: with a limit of one, one is out of both queues together', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const queue = `shop.${room.topic}`
    await channel.assertQueue(queue, theirs)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], source: { queue }, limit: 1 })
    for (let n = 0; n < 5; n++) await publish('', queue, '{}', { messageId: `theirs${n}` })
    for (let n = 0; n < 5; n++) await publish('', `${room.topic}:g`, '{}', { messageId: `ours${n}` })
    for (let n = 1; n <= 10; n++) {
      const delivery = await group.nth(n)
      await quiet(60)
      expect(group.deliveries.length).toBe(n)
      await group.ack(delivery)
    }
    expect(group.ids().toSorted()).toEqual([...Array.from({ length: 5 }, (_, n) => [`ours${n}`, `theirs${n}`]).flat()].sort())
  }, 30_000)

  test('is read with the right to read it and no other, where there are neither retries nor dead letters', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const queue = `shop.${room.topic}`
    await channel.assertQueue(queue, theirs)
    await ctl('add_user', room.topic, 'secret')
    await ctl('set_permissions', room.topic, '^$', '^$', `^shop\\.${room.topic}$`)
    const before = await ctl('-q', 'list_queues', 'name', 'arguments')
    for (const mode of ['create', 'check'] as const) {
      const driver = await room.connected({ auth: { username: room.topic, password: 'secret' } })
      const source = { queue }
      const group = await member(driver, { topics: [room.topic], source, delays: [], deadLetter: false, mode })
      await publish('', queue, '{}', { messageId: 'one' })
      await group.settle([{ kind: 'retry', delivery: await group.nth(1), headers: { 'corebus-snoozes': '1' }, afterMs: 100 }])
      expect(await group.nth(2)).toMatchObject({ original: false, message: { headers: { 'corebus-snoozes': '1' } } })
      await group.ack(await group.nth(2))
      await driver.close()
    }
    expect((await channel.checkQueue(queue)).messageCount).toBe(0)
    expect(await ctl('-q', 'list_queues', 'name', 'arguments')).toBe(before)
  })

  test('counts a message that was cut off', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const queue = `shop.${room.topic}`
    await channel.assertQueue(queue, theirs)
    await publish('', queue, '{}', { messageId: 'one', headers: { 'x-delivery-count': 40 } })
    const other = await room.bare()
    for (let n = 1; n <= 2; n++) {
      const cut = await room.bare()
      await new Promise((resolve) => void cut.channel.consume(queue, resolve))
      await cut.connection.close()
    }
    expect(other.channel).toBeDefined()
    const group = await member(await room.connected(), { topics: [room.topic], source: { queue } })
    // A header that its author wrote is no count of a classic queue.
    expect((await group.nth(1)).unsettledBefore).toBe(type === 'quorum' ? 2 : 1)
  })
})

describe.skipIf(!running)('a queue that cannot be read', () => {
  const groupsOn = (topic: string, source: Source) => [{ topic, group: 'g', delays: [], deadLetter: {}, source }]

  test('because it is missing is a difference; later it is said, and the group comes back with it', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const queue = `shop.${room.topic}`
    expect(await (await room.connected()).ensure({ topics: [], groups: groupsOn(room.topic, { queue }) }, 'create')).toEqual([
      { what: `source of group g on topic ${room.topic}, queue ${queue}`, wanted: 'exists', found: 'missing' },
    ])
    await channel.assertQueue(queue, { durable: true })
    const group = await member(await room.connected(), { topics: [room.topic], source: { queue }, acknowledges: true })
    await channel.deleteQueue(queue)
    await until(() => group.states.some((state) => state.kind === 'reconnecting' && state.error.message.includes('owner')))
    await channel.assertQueue(queue, { durable: true })
    await publish('', queue, '{}')
    await group.nth(1)
  }, 40_000)

  test('because it is a stream, or another one is its only consumer, is refused in words, and nothing of it changes', async () => {
    const room = openRoom(url)
    const { channel } = await room.bare()
    const [stream, queue] = [`stream.${room.topic}`, `shop.${room.topic}`]
    await channel.assertQueue(stream, { durable: true, arguments: { 'x-queue-type': 'stream' } })
    await channel.assertQueue(queue, { durable: true })
    await channel.consume(queue, () => {}, { exclusive: true })
    await expect(member(await room.connected(), { topics: [room.topic], source: { queue: stream } })).rejects.toMatchObject({
      code: 'SOURCE',
      message: expect.stringContaining('is a stream'),
    })
    await expect(member(await room.connected(), { topics: [room.topic], source: { queue } })).rejects.toMatchObject({
      code: 'GROUP_FOREIGN',
    })
    expect((await channel.checkQueue(queue)).consumerCount).toBe(1)
  })
})

describe.skipIf(!running)('a start on a queue that cannot be read', () => {
  const mine = async (topic: string) => (await ctl('-q', 'list_queues', 'name'))?.split('\n').filter((name) => name.startsWith(topic))

  test.each<[what: string, options: Options.AssertQueue, words: string]>([
    ['is a stream', { durable: true, arguments: { 'x-queue-type': 'stream' } }, 'is a stream'],
    ['belongs to one connection', { exclusive: true }, 'belongs to one connection'],
    ['is auto-delete', { durable: true, autoDelete: true }, 'is auto-delete'],
    ['is auto-delete and not durable', { durable: false, autoDelete: true }, 'is auto-delete'],
  ])('because it %s is refused before anything is made', async (_, options, words) => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const queue = `shop.${room.topic}`
    await channel.assertQueue(queue, options)
    await publish('', queue, '{}')
    const groups = [{ topic: room.topic, group: 'g', delays: [], deadLetter: {}, source: { queue } }]
    for (const mode of ['create', 'check'] as const)
      await expect((await room.connected()).ensure({ topics: [], groups }, mode)).rejects.toMatchObject({
        code: 'SOURCE',
        message: expect.stringContaining(words),
      })
    expect(await mine(room.topic)).toEqual([])
    // An auto-delete queue would have gone with a consumer of ours, and what is in it.
    if (!options.arguments) expect(await channel.checkQueue(queue)).toMatchObject({ messageCount: 1 })
  })

  test('says that it may be auto-delete where this user may not see it', async () => {
    const room = openRoom(url)
    const { channel } = await room.bare()
    const queue = `shop.${room.topic}`
    await channel.assertQueue(queue, { durable: true })
    await ctl('add_user', room.topic, 'secret')
    await ctl('set_permissions', room.topic, '^$', '^$', `^shop\\.${room.topic}$`)
    const auth = { username: room.topic, password: 'secret' }
    const lacksFor = async (options: Parameters<typeof room.connected>[0]) => {
      const driver = await room.connected(options)
      const { states } = await member(driver, { topics: [room.topic], source: { queue }, delays: [], deadLetter: false })
      return states.flatMap((state) => (state.kind === 'consuming' && state.notice ? [state.notice.message] : []))
    }
    expect(await lacksFor({ auth })).toEqual([expect.stringContaining('auto-delete')])
    expect(await lacksFor({})).toEqual([expect.not.stringContaining('auto-delete')])
  })
})

test.skipIf(!python)('pika publishes "to the queue", and from: { queue } reads it', async () => {
  const room = openRoom(url)
  const { channel } = await room.bare()
  await channel.assertQueue(room.topic, { durable: true })
  const driver = await room.connected()
  const group = await member(driver, { topics: [room.topic], source: { queue: room.topic }, acknowledges: true })
  for (const client of [python, bareAmqplib(url)])
    await client?.publish({ exchange: '', routingKey: room.topic, body: '{}', properties: { messageId: client.name } })
  await group.nth(2)
  expect(group.ids()).toEqual(['pika', 'amqplib'])
})

describe.skipIf(!running)('a queue of ours', () => {
  test('is no source: the group it belongs to would not have what another one takes', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    await member(driver, { topics: [room.topic] })
    const own = { topics: [`${room.topic}-2`], group: 'other', source: { queue: `${room.topic}:g` } }
    await expect(member(await room.connected(), own)).rejects.toMatchObject({
      code: 'SOURCE',
      message: expect.stringContaining(`is the queue of group g on topic ${room.topic}, which would not have what this one takes`),
    })
    const inner = { topics: [`${room.topic}-3`], source: { queue: 'corebus:given-up' } }
    await expect(member(driver, inner)).rejects.toMatchObject({
      code: 'SOURCE',
      message: expect.stringContaining('a queue of Corebus itself'),
    })
    await room.bare().then(({ channel }) => expect(channel.checkQueue(`${room.topic}-2:other`)).rejects.toThrow(/404/))
  })
})
