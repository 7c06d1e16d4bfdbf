import { broker } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createMessaging } from '../../messaging.ts'
import { replayDeadLetters } from '../../operations/replay.ts'
import { defineEvent } from '../../wire/event-type.ts'
import { pika } from './fixtures/pika.ts'
import { openRoom, until } from './fixtures/room.ts'

// Sources and targets as a service writes them.

const running = await broker('rabbitmq')
afterAll(() => running?.stop())
const url = running?.url ?? ''
const python = running && (await pika(url))

describe.skipIf(!running)('a service beside others on RabbitMQ', () => {
  test('handles what comes from their exchange and their queue, retries it, and answers to their exchange', async () => {
    const room = openRoom(url)
    const { channel, publish, take } = await room.bare()
    const [exchange, queue, answers] = [`shop-${room.topic}`, `shop.${room.topic}`, `answers.${room.topic}`]
    await channel.assertExchange(exchange, 'topic', { durable: true })
    await channel.assertQueue(queue, { durable: true })
    await channel.assertQueue(answers, { durable: true })
    await channel.bindQueue(answers, exchange, 'answer.#')
    const messaging = createMessaging({ broker: 'rabbitmq', url, service: 's', env: {}, logger: pino({ level: 'silent' }) })
    onTestFinished(() => messaging.close())
    const seen: unknown[] = []
    messaging.handle(
      { topic: `${room.topic}-eu`, from: { exchange, bind: 'order.eu.*' }, maxRetries: 1, retryDelayMs: 100 },
      async (message, { attempt, routingKey, send }) => {
        seen.push([message, attempt, routingKey])
        if (attempt === 1) throw new Error('not yet')
        await send(`${room.topic}-eu`, { done: true }, { exchange, routingKey: 'answer.eu', properties: { correlationId: 'c' } })
      },
    )
    messaging.handle({ topic: `${room.topic}-billing`, from: { queue }, maxRetries: 0, deadLetter: false }, (message) => {
      seen.push([message])
    })
    await messaging.start()
    for (const key of ['order.eu.created', 'order.us.created']) await publish(exchange, key, '{"n":1}')
    await publish('', queue, '{"n":2}')
    await until(() => seen.length === 3)
    expect(seen).toEqual(expect.arrayContaining([[{ n: 1 }, 1, 'order.eu.created'], [{ n: 1 }, 2, 'order.eu.created'], [{ n: 2 }]]))
    let answer = await take(answers)
    await until(async () => {
      answer = answer.length > 0 ? answer : await take(answers)
      return answer.length > 0
    })
    expect(answer[0]).toMatchObject({ fields: { exchange, routingKey: 'answer.eu' }, properties: { correlationId: 'c' } })
    expect(JSON.parse(String(answer[0]?.content))).toEqual({ done: true })
  })

  test('says what a queue of others lacks, and of which group once', async () => {
    const room = openRoom(url)
    const { channel } = await room.bare()
    const queue = `shop.${room.topic}`
    await channel.assertQueue(queue, { durable: true })
    const lines: string[] = []
    const logger = pino({ base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line).msg) })
    const messaging = createMessaging({ broker: 'rabbitmq', url, service: 's', env: {}, logger })
    onTestFinished(() => messaging.close())
    messaging.handle({ topic: room.topic, from: { queue }, maxRetries: 0, deadLetter: false }, () => {})
    await messaging.start()
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^group s reads the queue ${queue} `)))
  })

  test.skipIf(!python)('gets back by a replay what an envelope of others made an event of, as they wrote it', async () => {
    const room = openRoom(url)
    const { channel } = await room.bare()
    const [exchange, queue] = [`shop-${room.topic}`, `shop.${room.topic}`]
    await channel.assertExchange(exchange, 'topic', { durable: true })
    await channel.assertQueue(queue, { durable: true })
    const messaging = createMessaging({ broker: 'rabbitmq', url, service: 's', env: {}, logger: pino({ level: 'silent' }) })
    onTestFinished(() => messaging.close())
    const seen: unknown[] = []
    let works = false
    const sources = { [`${room.topic}-eu`]: { exchange, bind: 'order.#' }, [`${room.topic}-billing`]: { queue } }
    for (const [topic, from] of Object.entries(sources)) {
      const Order = defineEvent('placed', z.object({ n: z.number() }), {
        topic,
        in: ({ body, properties }) => ({ name: String(properties?.type), data: JSON.parse(String(body)), id: properties?.correlationId }),
      })
      messaging.on(Order, { from, maxRetries: 0 }, ({ data }, { id, routingKey }) => {
        seen.push([data, id, routingKey])
        if (!works) throw new Error('not yet')
      })
    }
    await messaging.start()
    const properties = (correlationId: string) => ({ type: 'placed', correlationId })
    await python?.publish({ exchange, routingKey: 'order.eu', body: '{"n":1}', properties: properties('one') })
    await python?.publish({ exchange: '', routingKey: queue, body: '{"n":2}', properties: properties('two') })
    const { admin } = await room.connected({ service: 's' })
    const dead = async () => (await Promise.all(Object.keys(sources).map((topic) => admin.depth(topic, 's')))).map((depth) => depth.dead)
    await until(async () => (await dead()).every((count) => count === 1))
    works = true
    for (const topic of Object.keys(sources)) expect(await replayDeadLetters(admin, { topic })).toBe(1)
    await until(() => seen.length === 4)
    const each = [
      [{ n: 1 }, 'one', 'order.eu'],
      [{ n: 2 }, 'two', queue],
    ]
    expect(seen.slice(0, 2)).toEqual(expect.arrayContaining(each))
    expect(seen.slice(2)).toEqual(each)
    await until(async () => (await dead()).every((count) => count === 0))
  })
})
