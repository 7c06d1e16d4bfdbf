import { defineEvent, type Messaging } from '@corebus/core'
import { cloudEvents, cloudEventsBinaryAmqp } from '@corebus/core/envelopes'
import { type Channel, type ChannelModel, connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import * as massTransit from './adopt/masstransit.ts'
import * as spring from './adopt/spring.ts'
import { eventually, recorder, service } from './kit.ts'

const url = inject('brokers').rabbitmq

/** Frameworks that cannot be installed here: what they write, as they document it, by a bare client. */
describe.skipIf(!url)('documented bytes on RabbitMQ', () => {
  let connection: ChannelModel
  let channel: Channel
  beforeAll(async () => {
    connection = await connect(url ?? '')
    channel = await connection.createChannel()
  })
  afterAll(() => connection?.close())

  function corebus(options: object = {}): Messaging {
    const messaging = service('rabbitmq', 'bytes', options)
    onTestFinished(() => messaging.close())
    return messaging
  }
  async function next(queue: string) {
    let got: Awaited<ReturnType<Channel['get']>> = false
    while (!got) got = await channel.get(queue, { noAck: true })
    return got
  }

  const envelope = (messageId: string, orderId: number) => ({
    messageId,
    conversationId: '08dc0000-5d07-0015-0d0a-08dcd4d5d9a5',
    sourceAddress: 'rabbitmq://localhost/shop_bus_tbtyyyfcx1xr4yqfbdk1f1f1f1',
    destinationAddress: 'rabbitmq://localhost/Contracts:SubmitOrder',
    messageType: ['urn:message:Contracts:SubmitOrder'],
    message: { orderId },
    sentTime: '2026-02-01T12:00:00.000Z',
    headers: {},
    host: { machineName: 'shop', processName: 'Shop', massTransitVersion: '8.5.2.0' },
  })
  const json = { contentType: 'application/vnd.masstransit+json' }

  test('MassTransit: its exchange of a message type is a topic, and its queue is read', async () => {
    // As MassTransit declares them for one consumer of one type.
    await channel.assertExchange('Contracts:SubmitOrder', 'fanout')
    await channel.assertExchange('submit-order', 'fanout')
    await channel.bindExchange('submit-order', 'Contracts:SubmitOrder', '')
    await channel.assertQueue('submit-order')
    await channel.bindQueue('submit-order', 'submit-order', '')
    const messaging = corebus({ names: massTransit.names })
    const [published, queued] = [recorder(), recorder()]
    massTransit.published(messaging, published.handler)
    massTransit.fromItsQueue(messaging, queued.handler)
    await messaging.start()
    const id = '08dc0000-5d07-0015-1111-08dcd4d5d9a5'
    channel.publish('Contracts:SubmitOrder', '', Buffer.from(JSON.stringify(envelope(id, 1))), json)
    await eventually(published.messages).toMatchObject([{ name: 'Contracts:SubmitOrder', data: { orderId: 1 } }])
    await eventually(queued.messages).toMatchObject([{ name: 'Contracts:SubmitOrder', data: { orderId: 1 } }])
    expect(published.handled[0]?.context.id).toBe(id)
  })

  test('MassTransit: what we publish to its exchange is an envelope of its type', async () => {
    await channel.assertExchange('Contracts:SubmitOrder', 'fanout')
    const { queue } = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(queue, 'Contracts:SubmitOrder', '')
    const messaging = corebus({ names: massTransit.names })
    await massTransit.publish(messaging, 2)
    const { content, properties } = await next(queue)
    expect(properties.contentType).toBe('application/vnd.masstransit+json')
    expect(JSON.parse(content.toString())).toMatchObject({
      messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      messageType: ['urn:message:Contracts:SubmitOrder'],
      message: { orderId: 2 },
    })
  })

  test('Spring AMQP: its queue is read, and its exchange is published to by a routing key', async () => {
    await channel.assertExchange('orders', 'topic')
    const theirs = { arguments: { 'x-dead-letter-exchange': 'orders.dlx' } }
    await channel.assertQueue('orders.billing', theirs)
    await channel.bindQueue('orders.billing', 'orders', 'order.*')
    const messaging = corebus()
    const seen = recorder()
    spring.fromItsQueue(messaging, seen.handler)
    await messaging.start()
    const properties = { contentType: 'application/json', contentEncoding: 'UTF-8', headers: { __TypeId__: 'com.shop.Order' } }
    channel.publish('orders', 'order.placed', Buffer.from('{"id":1}'), properties)
    await eventually(seen.messages).toEqual([{ id: 1 }])
    expect(seen.handled[0]?.context.headers.__TypeId__).toBe('com.shop.Order')
    await spring.toItsExchange(messaging, { id: 2 })
    await eventually(seen.messages).toEqual([{ id: 1 }, { id: 2 }])
  })

  test('CloudEvents, binary and structured, are read from and written to an exchange', async () => {
    const Order = z.object({ id: z.number() })
    const Binary = defineEvent('com.shop.placed', Order, { topic: 'ce-amqp-binary', ...cloudEventsBinaryAmqp })
    const Structured = defineEvent('com.shop.placed', Order, { topic: 'ce-amqp-structured', ...cloudEvents })
    const messaging = corebus()
    const [binary, structured] = [recorder(), recorder()]
    messaging.on(Binary, {}, binary.handler)
    messaging.on(Structured, {}, structured.handler)
    await messaging.start()
    const headers = {
      'cloudEvents:specversion': '1.0',
      'cloudEvents:type': 'com.shop.placed',
      'cloudEvents:id': 'e1',
      'cloudEvents:source': '/shop',
    }
    channel.publish('ce-amqp-binary', '', Buffer.from('{"id":1}'), { contentType: 'application/json', headers })
    const event = { specversion: '1.0', type: 'com.shop.placed', id: 'e2', source: '/shop', data: { id: 2 } }
    channel.publish('ce-amqp-structured', '', Buffer.from(JSON.stringify(event)), { contentType: 'application/cloudevents+json' })
    await eventually(binary.messages).toMatchObject([{ data: { id: 1 }, source: '/shop' }])
    await eventually(structured.messages).toMatchObject([{ data: { id: 2 }, source: '/shop' }])
    expect([binary.handled[0]?.context.id, structured.handled[0]?.context.id]).toEqual(['/shop e1', '/shop e2'])

    const { queue } = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(queue, 'ce-amqp-binary', '')
    await messaging.publishEvent(Binary, { id: 3 })
    const { content, properties } = await next(queue)
    expect(JSON.parse(content.toString())).toEqual({ id: 3 })
    expect(properties.headers).toMatchObject({ 'cloudEvents:type': 'com.shop.placed', 'cloudEvents:specversion': '1.0' })
  })
})
