import { defineEvent, type Messaging } from '@corebus/core'
import { nestPackets } from '@corebus/core/envelopes'
import { type Channel, type ChannelModel, connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import * as bare from './adopt/bare.ts'
import * as watermillQueues from './adopt/watermill.ts'
import { eventually, recorder, service, watermill } from './kit.ts'

const url = inject('brokers').rabbitmq

describe.skipIf(!url)('topologies of others on RabbitMQ', () => {
  let connection: ChannelModel
  let channel: Channel
  beforeAll(async () => {
    connection = await connect(url ?? '')
    channel = await connection.createChannel()
  })
  afterAll(() => connection?.close())

  const publish = (exchange: string, key: string, id: number, headers: object = {}) =>
    void channel.publish(exchange, key, Buffer.from(JSON.stringify({ id })), { headers })
  function corebus(name?: string): Messaging {
    const messaging = service('rabbitmq', name)
    onTestFinished(() => messaging.close())
    return messaging
  }

  test('a topic exchange is read by the routing keys that are bound, and published to by any', async () => {
    await channel.assertExchange('shop.orders', 'topic')
    const { queue: theirs } = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(theirs, 'shop.orders', 'order.eu.*')
    const messaging = corebus()
    const seen = recorder()
    bare.ordersOfEurope(messaging, seen.handler)
    await messaging.start()
    publish('shop.orders', 'order.us.created', 1)
    publish('shop.orders', 'order.eu.created', 2)
    await eventually(seen.messages).toEqual([{ id: 2 }])
    expect(seen.handled[0]?.context.routingKey).toBe('order.eu.created')
    await bare.paid(messaging, { id: 3 })
    await eventually(seen.messages).toEqual([{ id: 2 }, { id: 3 }])
    expect((await channel.get(theirs, { noAck: true })) || undefined).toMatchObject({ fields: { routingKey: 'order.eu.created' } })
    expect((await channel.get(theirs, { noAck: true })) || undefined).toMatchObject({ fields: { routingKey: 'order.eu.paid' } })
  })

  test('a headers exchange is read by arguments', async () => {
    await channel.assertExchange('shop.hdr', 'headers')
    const messaging = corebus()
    const seen = recorder()
    messaging.handle({ topic: 'orders-hdr', from: { exchange: 'shop.hdr', arguments: { 'x-match': 'all', kind: 'order' } } }, seen.handler)
    await messaging.start()
    publish('shop.hdr', '', 1, { kind: 'user' })
    publish('shop.hdr', '', 2, { kind: 'order' })
    await eventually(seen.messages).toEqual([{ id: 2 }])
  })

  test('a plain fanout of the name of a topic is used as it is', async () => {
    await channel.assertExchange('shop.fan', 'fanout')
    const messaging = corebus()
    const seen = recorder()
    messaging.handle({ topic: 'shop.fan' }, seen.handler)
    await messaging.start()
    publish('shop.fan', '', 1)
    await messaging.getProducer().send('shop.fan', { id: 2 })
    await eventually(seen.messages).toEqual([{ id: 1 }, { id: 2 }])
    await channel.assertExchange('shop.fan', 'fanout') // would close the channel if it were another one by now
  })

  test('amq.topic is read and published to like any other', async () => {
    const messaging = corebus()
    const seen = recorder()
    messaging.handle({ topic: 'from-amq', from: { exchange: 'amq.topic', bind: 'shop.#' } }, seen.handler)
    await messaging.start()
    publish('amq.topic', 'shop.order.placed', 1)
    await messaging.getProducer().send('to-amq', { id: 2 }, { exchange: 'amq.topic', routingKey: 'shop.order.paid' })
    await eventually(seen.messages).toEqual([{ id: 1 }, { id: 2 }])
  })

  test('a classic queue with a dead-letter exchange of its own is read as it is, and nothing is made beside it', async () => {
    await channel.assertExchange('shop.dlx', 'fanout')
    const options = { durable: true, arguments: { 'x-dead-letter-exchange': 'shop.dlx' } }
    await channel.assertQueue('shop.billing', options)
    const messaging = corebus()
    const seen = recorder()
    messaging.handle({ topic: 'billing', from: { queue: 'shop.billing' }, maxRetries: 0, deadLetter: false }, seen.handler)
    await messaging.start()
    channel.sendToQueue('shop.billing', Buffer.from('{"id":1}'))
    await eventually(seen.messages).toEqual([{ id: 1 }])
    await messaging.close()
    expect(await channel.assertQueue('shop.billing', options)).toMatchObject({ messageCount: 0, consumerCount: 0 })
    expect(await exists('billing')).toBe(false)
  })

  test('an event in their queue that nobody handles is a dead letter where the group says so', async () => {
    await channel.assertQueue('shop.mixed')
    const messaging = corebus()
    const seen = recorder()
    const Placed = defineEvent('order.placed', z.object({ id: z.number() }), { topic: 'mixed', in: nestPackets.in })
    messaging.on(Placed, { from: { queue: 'shop.mixed' }, unknown: 'deadLetter' }, seen.handler)
    await messaging.start()
    for (const [id, pattern] of ['order.gone', 'order.placed'].entries())
      channel.sendToQueue('shop.mixed', Buffer.from(JSON.stringify({ pattern, data: { id } })))
    await eventually(seen.messages).toMatchObject([{ name: 'order.placed', data: { id: 1 } }])
    const { admin } = await messaging.driver()
    await eventually(async () => (await admin.deadLetters({ topic: 'mixed' })).letters.length).toBe(1)
    expect((await channel.checkQueue('shop.mixed')).messageCount).toBe(0)
  })

  test('an exchange of another type by the name of a topic is refused, and nothing is left of the start', async () => {
    await channel.assertExchange('shop.direct', 'direct')
    const messaging = corebus('left')
    messaging.handle({ topic: 'shop.direct' }, () => {})
    await expect(messaging.start()).rejects.toMatchObject({ code: 'TOPOLOGY', message: expect.stringMatching(/direct/) })
    expect(await exists('shop.direct:left')).toBe(false)
  })

  test.skipIf(!inject('installed').watermill)(
    'Watermill publishes to a queue, which is read, and handles what is published to its own',
    async () => {
      await channel.assertQueue('watermill-writes')
      const messaging = corebus()
      const seen = recorder()
      watermillQueues.fromItsQueue(messaging, seen.handler)
      await messaging.start()
      const peer = watermill(['rabbitmq', url ?? ''])
      onTestFinished(() => peer.stop())
      await peer.line('READY')
      await eventually(seen.messages).toEqual([{ id: 1 }])
      expect(seen.handled[0]?.context.headers.tenant).toBe('acme')
      await watermillQueues.toItsQueue(messaging, { id: 7 })
      expect(await peer.line('GOT')).toBe('GOT {"id":7}')
    },
  )

  test.skipIf(!inject('installed').watermill)(
    'Watermill declares a durable fanout of our topic, and both read and publish there',
    async () => {
      const messaging = corebus()
      const seen = recorder()
      messaging.handle({ topic: 'watermill-writes' }, seen.handler)
      await messaging.start()
      const peer = watermill(['rabbitmq-pubsub', url ?? ''])
      onTestFinished(() => peer.stop())
      await peer.line('READY')
      await eventually(seen.messages).toEqual([{ id: 1 }])
      await messaging.getProducer().send('watermill-reads', { id: 7 })
      expect(await peer.line('GOT')).toBe('GOT {"id":7}')
    },
  )

  /** Whether there is a queue of this name: a passive declaration of one that is not closes its channel. */
  async function exists(queue: string): Promise<boolean> {
    const asking = await connection.createChannel()
    asking.on('error', () => {})
    try {
      await asking.checkQueue(queue)
      await asking.close()
      return true
    } catch {
      return false
    }
  }
})
