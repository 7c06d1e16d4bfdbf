import { startRabbitmq } from '@corebus/testbed'
import { afterAll, describe, expect, test } from 'vitest'
import type { Message } from '../../driver.ts'
import { PublishError } from '../../errors.ts'
import { newId } from '../../wire/id.ts'
import { type Bare, member, openRoom, until } from './fixtures/room.ts'

// What is published to exchanges of others, with what AMQP has beside headers; and topics whose exchange is called otherwise.

const running = await startRabbitmq()
afterAll(() => running?.stop())
const url = running?.url ?? ''
const ctl = async (...args: string[]) => running?.ctl(...args)

const message = (over: Partial<Message>): Message => ({ id: newId(), topic: 'shop', headers: {}, body: Buffer.from('{}'), ...over })

async function failureOf(publishing: Promise<void>): Promise<{ permanent: boolean; cause: Error }> {
  const error = await publishing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof PublishError) || !error.failures[0]) throw new Error('it was published', { cause: error })
  return error.failures[0]
}

async function exchangeOf({ channel }: Bare, name: string): Promise<void> {
  await channel.assertExchange(name, 'topic', { durable: true })
  await channel.assertQueue(`q-${name}`, { durable: true })
  await channel.bindQueue(`q-${name}`, name, 'order.#')
}

describe.skipIf(!running)('a message for an exchange of others', () => {
  test('goes there with its routing key and every property, and nothing is declared for it', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const exchange = `shop-${room.topic}`
    await exchangeOf(bare, exchange)
    const driver = await room.connected()
    const before = await ctl('-q', 'list_exchanges', 'name')
    const properties = {
      contentType: 'text/x',
      contentEncoding: 'gzip',
      type: 'created',
      correlationId: 'c',
      replyTo: 'r',
      appId: 'shop',
      userId: 'guest',
      messageId: 'theirs',
      timestamp: 1_700_000_000_500,
      expiration: 60_000,
      priority: 4,
    }
    const headers = { a: 'b', 'content-type': 'application/json' }
    await driver.publish([message({ target: { exchange, routingKey: 'order.eu.created' }, headers, key: 'k', properties, event: 'e' })])
    const [got] = await bare.take(`q-${exchange}`)
    expect(got?.fields).toMatchObject({ exchange, routingKey: 'order.eu.created' })
    expect(got?.properties).toMatchObject({ ...properties, timestamp: 1_700_000_000, expiration: '60000', deliveryMode: 2 })
    expect(got?.properties.headers).toEqual({ a: 'b', 'corebus-key': 'k' })
    // '' is the default exchange: straight into a queue.
    await driver.publish([message({ target: { exchange: '', routingKey: `q-${exchange}` } })])
    expect(await bare.take(`q-${exchange}`)).toHaveLength(1)
    expect(await ctl('-q', 'list_exchanges', 'name')).toBe(before)
  })

  test('is refused for good where there is no such exchange, and for now where nothing is bound: neither holds up its neighbours', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const exchange = `shop-${room.topic}`
    await exchangeOf(bare, exchange)
    const driver = await room.connected()
    const good = message({ target: { exchange, routingKey: 'order.x' } })
    const [missing, unroutable] = [
      message({ target: { exchange: `no-${exchange}`, routingKey: 'k' } }),
      message({ target: { exchange, routingKey: 'user.x' } }),
    ]
    const own = message({ topic: room.topic })
    const error = await driver.publish([good, missing, unroutable, own]).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(PublishError)
    expect((error as PublishError).failures).toEqual(
      expect.arrayContaining([
        {
          id: missing.id,
          permanent: true,
          cause: expect.objectContaining({ code: 'TARGET', message: expect.stringContaining(`"no-${exchange}"`) }),
        },
        {
          id: unroutable.id,
          permanent: false,
          cause: expect.objectContaining({ code: 'UNROUTABLE', message: expect.stringContaining('"user.x"') }),
        },
      ]),
    )
    expect((error as PublishError).failures).toHaveLength(2)
    expect((await bare.take(`q-${exchange}`)).map(({ properties }) => properties.messageId)).toEqual([good.id])
    expect(await failureOf(driver.publish([message({ target: { exchange: '', routingKey: `no-${exchange}` } })]))).toMatchObject({
      permanent: false,
      cause: { code: 'UNROUTABLE', message: expect.stringContaining(`the queue "no-${exchange}"`) },
    })
  })

  test('that says it is another user is refused for good, and does not hold up the others', async () => {
    const room = openRoom(url)
    const bare = await room.bare()
    const exchange = `shop-${room.topic}`
    await exchangeOf(bare, exchange)
    const driver = await room.connected()
    const target = { exchange, routingKey: 'order.x' }
    const forged = message({ target, properties: { userId: 'root' } })
    const error = await driver.publish([forged, message({ target }), message({ target })]).catch((thrown: unknown) => thrown)
    expect((error as PublishError).failures).toMatchObject([{ id: forged.id, permanent: true, cause: { code: 'ACCESS_REFUSED' } }])
    expect(await bare.take(`q-${exchange}`)).toHaveLength(2)
  })

  test('that a full queue refuses waits, says why, and keeps its place in the line', async () => {
    const room = openRoom(url)
    const { channel, publish, take } = await room.bare()
    const [exchange, queue] = [`shop-${room.topic}`, `full-${room.topic}`]
    await channel.assertExchange(exchange, 'direct', { durable: true })
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } })
    await channel.bindQueue(queue, exchange, 'k')
    await publish('', queue, '{}', { messageId: 'before' })
    const driver = await room.connected()
    // A target of its own each, as each call of a service has.
    const send = (id: string) => driver.publish([message({ id, target: { exchange, routingKey: 'k' } })])
    const first = send('first')
    const why = () => driver.trouble?.('shop', { exchange, routingKey: 'k' })?.message ?? ''
    await until(() => why().includes(`the exchange "${exchange}"`))
    const second = send('second')
    const taken: unknown[] = []
    await until(async () => {
      taken.push(...(await take(queue)).map(({ properties }) => properties.messageId))
      return taken.length === 3
    })
    await Promise.all([first, second])
    expect(taken).toEqual(['before', 'first', 'second'])
  })

  test('may expire and have a priority; one for a topic of ours may not', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    for (const properties of [{ expiration: 1 }, { priority: 1 }])
      expect(await failureOf(driver.publish([message({ topic: room.topic, properties })]))).toMatchObject({ cause: { code: 'TARGET' } })
    const group = await member(driver, { topics: [room.topic], acknowledges: true })
    await driver.publish([message({ topic: room.topic, properties: { correlationId: 'c', appId: 'a', type: 't' } })])
    expect(driver.raw?.(await group.nth(1))).toMatchObject({
      exchange: room.topic,
      routingKey: room.topic,
      properties: { correlationId: 'c', appId: 'a', type: 't' },
    })
  })
})

describe.skipIf(!running)('a topic whose exchange has a name of its own', () => {
  test('is published to and read by that name, also one with a colon that others have declared', async () => {
    const room = openRoom(url)
    const { channel, publish } = await room.bare()
    const exchange = `Contracts:Submit-${room.topic}`
    await channel.assertExchange(exchange, 'fanout', { durable: true })
    const options = { prefix: 'test-', names: { [room.topic]: exchange } }
    const driver = await room.connected(options)
    await driver.publish([message({ topic: room.topic, id: 'ours' })])
    await publish(exchange, '', '{}', { messageId: 'theirs' })
    const group = await member(driver, { topics: [room.topic] })
    await group.nth(2)
    expect(group.ids()).toEqual(['ours', 'theirs'])
    await publish(exchange, '', '{}', { messageId: 'later' })
    const later = await group.nth(3)
    expect(later).toMatchObject({ original: true, message: { topic: room.topic } })
    await group.settle([{ kind: 'retry', delivery: later, headers: {}, afterMs: 100 }])
    expect(driver.raw?.(await group.nth(4))).toMatchObject({ exchange, routingKey: '' })
    await channel.checkQueue(`test-${room.topic}:g`)
    expect(await driver.admin.topics([room.topic])).toMatchObject([{ topic: room.topic, groups: ['g'] }])
    const seen: string[] = []
    const tail = await driver.tail({ topic: room.topic, from: 'now', onMessages: (given) => seen.push(...given.map(({ id }) => id)) })
    await publish(exchange, '', '{}', { messageId: 'watched' })
    await until(() => seen.includes('watched'))
    await tail.stop()
    const lines = ((await ctl('-q', 'list_exchanges', 'name')) ?? '').split('\n')
    expect(lines).not.toContain(`test-${room.topic}`)
  })
})
