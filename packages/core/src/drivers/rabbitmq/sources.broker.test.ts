import { startRabbitmq } from '@corebus/testbed'
import { afterAll, describe, expect, test } from 'vitest'
import type { Source } from '../../driver.ts'
import { member, openRoom, quiet, until } from './fixtures/room.ts'

// Exchanges of others that a group reads, by a queue of its own.

const running = await startRabbitmq()
afterAll(() => running?.stop())
const url = running?.url ?? ''
const ctl = async (...args: string[]) => running?.ctl(...args)

const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString()

describe.skipIf(!running)('an exchange of others', () => {
  test('of type topic gives what fits the keys, with the routing key, also when it is retried', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const exchange = `shop-${room.topic}`
    await channel.assertExchange(exchange, 'topic', { durable: true, autoDelete: false, arguments: { 'x-theirs': 'yes' } })
    const driver = await room.connected()
    const source: Source = { exchange, bind: ['order.eu.*', 'order.uk.#'] }
    const group = await member(driver, { topics: [room.topic], source })
    expect(group.states).toEqual([{ kind: 'consuming' }])
    for (const key of ['order.eu.created', 'order.us.created', 'order.uk', 'user.eu.created'])
      await publish(exchange, key, '{}', {
        messageId: key,
        type: 'created',
        correlationId: 'c',
        replyTo: 'r',
        appId: 'shop',
        timestamp: 1_700_000_000,
        priority: 3,
        headers: { kind: 'order', bytes: Buffer.from([0, 255]), 'corebus-attempt': '7', 'corebus-amqp-routing-key': 'forged' },
      })
    await group.nth(2)
    expect(group.ids()).toEqual(['order.eu.created', 'order.uk'])
    const [first] = group.deliveries
    expect(first).toMatchObject({ original: true, message: { topic: room.topic } })
    await group.settle([{ kind: 'retry', delivery: await group.nth(1), headers: { 'corebus-attempt': '2' }, afterMs: 100 }])
    const again = await group.nth(3)
    expect(again.original).toBe(false)
    await group.settle([{ kind: 'retry', delivery: again, headers: { 'corebus-attempt': '3' }, afterMs: 100 }])
    for (const delivery of [first, await group.nth(4)]) {
      const raw = delivery && driver.raw?.(delivery)
      expect(raw).toMatchObject({
        exchange,
        routingKey: 'order.eu.created',
        properties: { type: 'created', correlationId: 'c', replyTo: 'r', appId: 'shop', timestamp: 1_700_000_000_000, priority: 3 },
      })
      expect([text(raw?.headers.kind), [...(raw?.headers.bytes ?? [])]]).toEqual(['order', [0, 255]])
      expect(Object.keys(raw?.headers ?? {}).filter((name) => name.startsWith('corebus-amqp') || name === 'corebus-delay')).toEqual([])
    }
    await group.ack(...group.deliveries)
  })

  test('is bound by what is wanted now, and not by what was wanted before', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const exchange = `shop-${room.topic}`
    await channel.assertExchange(exchange, 'direct', { durable: true })
    for (const bind of ['a', 'b', 'a']) {
      const driver = await room.connected()
      const group = await member(driver, { topics: [room.topic], source: { exchange, bind }, acknowledges: true })
      for (const key of ['a', 'b']) await publish(exchange, key, '{}', { messageId: key })
      await group.nth(1)
      await quiet()
      expect(group.ids()).toEqual([bind])
      await driver.close()
    }
    // From the topic itself to the exchange: what is published to the topic does not come any more.
    const own = await room.connected()
    await member(own, { topics: [`${room.topic}-own`] })
    await own.close()
    const driver = await room.connected()
    const group = await member(driver, { topics: [`${room.topic}-own`], source: { exchange, bind: 'a' }, acknowledges: true })
    await publish(`${room.topic}-own`, '', '{}', { messageId: 'topic' })
    await publish(exchange, 'a', '{}', { messageId: 'exchange' })
    await group.nth(1)
    await quiet()
    expect(group.ids()).toEqual(['exchange'])
  })

  test('of type headers gives what its arguments ask for, and amq.topic is one too', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const exchange = `shop-${room.topic}`
    await channel.assertExchange(exchange, 'headers', { durable: true })
    const driver = await room.connected()
    const source: Source = { exchange, arguments: { 'x-match': 'all', kind: 'order', n: 1 } }
    const group = await member(driver, { topics: [room.topic], source, acknowledges: true })
    await publish(exchange, '', '{}', { messageId: 'order', headers: { kind: 'order', n: 1 } })
    await publish(exchange, '', '{}', { messageId: 'user', headers: { kind: 'user', n: 1 } })
    const builtIn = await member(driver, {
      topics: [`${room.topic}-mqtt`],
      source: { exchange: 'amq.topic', bind: `${room.topic}.#` },
      acknowledges: true,
    })
    await publish('amq.topic', `${room.topic}.x`, '{}', { messageId: 'mqtt' })
    await Promise.all([group.nth(1), builtIn.nth(1)])
    await quiet()
    expect([group.ids(), builtIn.ids()]).toEqual([['order'], ['mqtt']])
  })

  test('that is not there is a difference, and nothing is made; that goes away is said, and bound again when it is back', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const exchange = `shop-${room.topic}`
    const wanted = {
      topics: [],
      groups: [{ topic: room.topic, group: 'g', delays: [], deadLetter: {}, source: { exchange } }],
    }
    for (const mode of ['create', 'check'] as const)
      expect(await (await room.connected()).ensure(wanted, mode)).toContainEqual({
        what: `source of group g on topic ${room.topic}, exchange ${exchange}`,
        wanted: 'exists',
        found: 'missing',
      })
    expect(await ctl('-q', 'list_queues', 'name')).not.toContain(room.topic)
    await channel.assertExchange(exchange, 'fanout', { durable: true })
    const group = await member(await room.connected(), { topics: [room.topic], source: { exchange }, acknowledges: true })
    await channel.deleteExchange(exchange)
    await until(() => group.states.some((state) => state.kind === 'consuming' && state.notice?.message.includes('not there')), 25_000)
    await channel.assertExchange(exchange, 'fanout', { durable: true })
    await until(async () => {
      await publish(exchange, '', '{}')
      return group.deliveries.length > 0
    }, 25_000)
  }, 60_000)

  test('that is made anew as one that does not take the binding is said, not passed over', async () => {
    const room = openRoom(url)
    const { channel } = await room.bare()
    const exchange = `shop-${room.topic}`
    await channel.assertExchange(exchange, 'fanout', { durable: true })
    const source: Source = { exchange, arguments: { 'x-match': 'some', kind: 'order' } }
    const group = await member(await room.connected(), { topics: [room.topic], source, acknowledges: true })
    await channel.deleteExchange(exchange)
    await channel.assertExchange(exchange, 'headers', { durable: true })
    const said = () => group.states.flatMap((state) => (state.kind === 'consuming' && state.notice ? [state.notice.message] : []))
    await until(() => said().some((message) => message.includes(`bound to the exchange ${exchange} as from says`)), 25_000)
  }, 40_000)

  test('that is made anew is bound again under check where the user may; where not, that it is gone is said', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const exchange = `shop-${room.topic}`
    await channel.assertExchange(exchange, 'fanout', { durable: true })
    const wanted = { topics: [room.topic], source: { exchange }, acknowledges: true }
    await (await member(await room.connected(), wanted)).stop()
    await ctl('add_user', room.topic, 'secret')
    await ctl('set_permissions', room.topic, '^$', '^(amq\\.default|corebus:delay)$', `^(${room.topic}:g|corebus:topology)$`)
    const auth = { username: room.topic, password: 'secret' }
    const bound = await member(await room.connected({ auth }), { ...wanted, mode: 'check' })
    await channel.deleteExchange(exchange)
    const said = () => bound.states.flatMap((state) => (state.kind === 'consuming' && state.notice ? [state.notice.message] : []))
    await until(() => said().some((message) => message.includes('which this user may not')), 25_000)
    await bound.stop()
    await channel.assertExchange(exchange, 'fanout', { durable: true })
    const binds = await member(await room.connected(), { ...wanted, mode: 'check' })
    await channel.deleteExchange(exchange)
    await channel.assertExchange(exchange, 'fanout', { durable: true })
    await until(async () => {
      await publish(exchange, '', '{}')
      return binds.deliveries.length > 0
    }, 25_000)
  }, 60_000)

  test.each<[what: string, source: Source, words: string]>([
    ['the default exchange', { exchange: '' }, 'from: { queue'],
    ['a stream of Redis', { stream: 'x' }, 'exchanges and queues'],
  ])('%s is refused with what to do', async (_, source, words) => {
    const room = openRoom(url)
    const groups = [{ topic: room.topic, group: 'g', delays: [], deadLetter: {}, source }]
    await expect((await room.connected()).ensure({ topics: [], groups }, 'create')).rejects.toMatchObject({
      code: 'SOURCE',
      message: expect.stringContaining(words),
    })
  })
})

test.skipIf(!running)('a topic that comes from an exchange of others can be watched, and one that comes from a queue cannot', async () => {
  const room = openRoom(url)
  const { channel, publish } = await room.bare()
  const [exchange, queue] = [`shop-${room.topic}`, `shop.${room.topic}`]
  await channel.assertExchange(exchange, 'topic', { durable: true })
  await channel.assertQueue(queue, { durable: true })
  const driver = await room.connected()
  await member(driver, { topics: [room.topic], source: { exchange, bind: 'a.*' } })
  await member(driver, { topics: [`${room.topic}-q`], source: { queue } })
  const seen: string[] = []
  const watcher = await room.connected()
  const watch = (topic: string) => watcher.tail({ topic, from: 'now', onMessages: (given) => seen.push(...given.map(({ id }) => id)) })
  await watch(room.topic)
  for (const key of ['a.x', 'b.x']) await publish(exchange, key, '{}', { messageId: key })
  await until(() => seen.length > 0)
  await quiet()
  expect(seen).toEqual(['a.x'])
  await expect(watch(`${room.topic}-q`)).rejects.toMatchObject({ code: 'SOURCE' })
  expect(await ctl('-q', 'list_exchanges', 'name')).not.toContain(`\n${room.topic}`)
})
