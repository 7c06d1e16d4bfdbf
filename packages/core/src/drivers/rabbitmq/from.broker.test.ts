import { broker } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createMessaging } from '../../messaging.ts'
import { openRoom, until } from './fixtures/room.ts'

// Sources and targets as a service writes them.

const running = await broker('rabbitmq')
afterAll(() => running?.stop())
const url = running?.url ?? ''

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
})
