import { startRabbitmq } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { MessagingOptions } from '../../config/messaging-options.ts'
import type { LetterTarget, Source } from '../../driver.ts'
import { createMessaging } from '../../messaging.ts'
import { newId } from '../../wire/id.ts'
import { member, messages, openRoom, quiet, until } from './fixtures/room.ts'

// Dead letters that go to exchanges and queues of others, read by amqplib alone.

const running = await startRabbitmq()
afterAll(() => running?.stop())
const url = running?.url ?? ''

/** What there is on the broker, but for what all groups share. */
async function picture(): Promise<readonly string[]> {
  const lists = ['list_queues', 'list_exchanges'].map(async (list) => (await running?.ctl(list, '-q', 'name')) ?? '')
  return (await Promise.all(lists)).flatMap((text) => text.split('\n')).filter((name) => name !== '' && !name.startsWith('corebus.'))
}

function service(options: Partial<MessagingOptions> = {}) {
  const lines: { readonly level: number; readonly msg: string }[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const messaging = createMessaging({ broker: 'rabbitmq', url, service: 's', env: {}, logger, ...options })
  onTestFinished(() => messaging.close())
  return { messaging, lines }
}

const fails = () => {
  throw new Error('card declined')
}

describe.skipIf(!running)('dead letters for others on RabbitMQ', () => {
  test('go to the dead-letter exchange of the queue that they come from, as they were, by their own routing key; no place of ours is made', async () => {
    const room = openRoom(url)
    const { channel, publish, take } = await room.bare()
    const [exchange, dlx, queue, dlq] = ['shop', 'shop.dlx', 'billing', 'billing.dlq'].map((name) => `${room.topic}.${name}`) as [
      string,
      string,
      string,
      string,
    ]
    await channel.assertExchange(exchange, 'topic', { durable: true })
    await channel.assertExchange(dlx, 'direct', { durable: true })
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-dead-letter-exchange': dlx } })
    await channel.bindQueue(queue, exchange, 'order.#')
    await channel.assertQueue(dlq, { durable: true })
    await channel.bindQueue(dlq, dlx, 'order.eu')
    const topic = `${room.topic}-billing`
    const { messaging, lines } = service()
    messaging.handle({ topic, from: { queue }, maxRetries: 1, retryDelayMs: 50, deadLetter: { to: { exchange: dlx } } }, fails)
    await messaging.start()
    const properties = { messageId: 'one', correlationId: 'c', replyTo: 'r', type: 'order.placed', appId: 'shop', contentType: 'x/y' }
    const headers = { trace: 'ä', bytes: Buffer.from([0, 255]), list: [1, 'two'] }
    await publish(exchange, 'order.eu', '{"n":1}', { ...properties, timestamp: 1_700_000_000, headers })
    await until(() => messaging.counters.dead === 1)
    const [letter, ...more] = await take(dlq)
    expect(more).toEqual([])
    expect([String(letter?.content), letter?.fields.exchange, letter?.fields.routingKey]).toEqual(['{"n":1}', dlx, 'order.eu'])
    expect(letter?.properties).toMatchObject({ ...properties, timestamp: 1_700_000_000, headers })
    expect(letter?.properties.headers).toMatchObject({
      'corebus-attempt': '2',
      'corebus-reason': 'failed',
      'corebus-error': 'card declined',
      'corebus-group': 's',
      'corebus-topic': topic,
    })
    const { admin } = await messaging.driver()
    expect(await admin.depth(topic, 's')).toMatchObject({ dead: 0, ready: 0 })
    expect((await picture()).filter((name) => name.startsWith(topic) && name.includes('dlq'))).toEqual([])
    expect(lines.filter(({ msg }) => msg.includes(`dead letters of ${topic} to the exchange ${dlx}`)).length).toBe(1)
  }, 60_000)

  test('are also what nobody handles on a queue of others: their owner has it still', async () => {
    const room = openRoom(url)
    const { channel, publish, take } = await room.bare()
    const [queue, dlq] = [`q.${room.topic}`, `dlq.${room.topic}`]
    for (const name of [queue, dlq]) await channel.assertQueue(name, { durable: true })
    const { messaging } = service()
    const to = { exchange: '', routingKey: dlq }
    messaging.on('order.placed', { topic: room.topic, from: { queue }, deadLetter: { to } }, () => undefined)
    await messaging.start()
    const event = (name: string) => JSON.stringify({ name, data: {}, timestamp: new Date().toISOString(), source: 'shop' })
    for (const name of ['order.placed', 'order.lost']) await publish('', queue, event(name))
    await until(() => messaging.counters.handled === 1 && messaging.counters.dead === 1)
    expect(messaging.counters.skipped).toBe(0)
    expect(
      (await take(dlq)).map(({ content, properties: { headers } }) => [JSON.parse(String(content)).name, headers?.['corebus-reason']]),
    ).toEqual([['order.lost', 'unknown-event']])
  })

  test('go to a queue by the default exchange', async () => {
    const room = openRoom(url)
    const { channel, take } = await room.bare()
    const dlq = `their.${room.topic}`
    await channel.assertQueue(dlq, { durable: true })
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], deadLetter: { to: { exchange: '', routingKey: dlq } } })
    const [sent] = messages(room.topic, 1)
    if (sent) await driver.publish([sent])
    await group.settle([{ kind: 'deadLetter', delivery: await group.nth(1), headers: { 'corebus-reason': 'failed' } }])
    expect((await take(dlq)).map(({ properties }) => [properties.messageId, properties.headers?.['corebus-reason']])).toEqual([
      [sent?.id, 'failed'],
    ])
  })

  test('that have no such place are refused with their code, in create and in check, and nothing is made', async () => {
    const room = openRoom(url)
    const { channel } = await room.bare()
    const [queue, exchange] = [`q.${room.topic}`, `x.${room.topic}`]
    await channel.assertQueue(queue, { durable: true })
    await channel.assertExchange(exchange, 'topic', { durable: true })
    const before = await picture()
    const driver = await room.connected()
    const wrong: readonly (readonly [LetterTarget, Source | undefined, string])[] = [
      [{ exchange: 'no.such' }, undefined, 'there is no exchange no.such'],
      [{ exchange: '', routingKey: 'no.such' }, undefined, 'there is no queue no.such'],
      [{ exchange: '' }, undefined, 'give it as routingKey'],
      [{ stream: 'dead' }, undefined, 'nothing of RabbitMQ'],
      [{ exchange: '', routingKey: queue }, { queue }, 'what the group itself reads'],
      [{ exchange: '', routingKey: `${room.topic}:g` }, undefined, 'what the group itself reads'],
      [{ exchange: room.topic }, undefined, 'what the group itself reads'],
      [{ exchange }, { exchange, bind: '#' }, 'what the group itself reads'],
    ]
    for (const mode of ['create', 'check'] as const)
      for (const [to, source, words] of wrong) {
        const refused = member(driver, { topics: [room.topic], deadLetter: { to }, mode, ...(source && { source }) })
        await expect(refused).rejects.toMatchObject({ code: 'TARGET', message: expect.stringContaining(words) })
      }
    expect(await picture()).toEqual(before)
  }, 60_000)

  test.each(['its exchange is gone', 'no queue is bound to it any more'])(
    'while %s are tried again and said, nothing of them is lost or cut, and other messages go on',
    async (trouble) => {
      const room = openRoom(url)
      const { channel, publish, take } = await room.bare()
      const [dlx, dlq] = [`dlx.${room.topic}`, `dlq.${room.topic}`]
      const make = async () => {
        await channel.assertExchange(dlx, 'fanout', { durable: true })
        await channel.assertQueue(dlq, { durable: true })
        await channel.bindQueue(dlq, dlx, '')
      }
      await make()
      const { messaging, lines } = service()
      messaging.handle(
        { topic: room.topic, group: 'g', maxRetries: 0, deadLetter: { to: { exchange: dlx } } },
        ({ ok }: { ok: boolean }) => {
          if (!ok) fails()
        },
      )
      await messaging.start()
      if (trouble.startsWith('its')) await channel.deleteExchange(dlx)
      else await channel.unbindQueue(dlq, dlx, '')
      const body = JSON.stringify({ ok: false, text: 'x'.repeat(1_000) })
      await publish(room.topic, '', body, { messageId: 'bad', headers: { mine: 'yes' } })
      const said = () => lines.filter(({ level, msg }) => level >= 40 && msg.includes(dlx))
      await until(() => said().length > 0)
      await publish(room.topic, '', '{"ok":true}')
      await until(() => messaging.counters.handled === 1)
      await quiet()
      expect(messaging.counters.dead).toBe(0)
      await make()
      await until(() => messaging.counters.dead === 1)
      const [letter, ...more] = await take(dlq)
      expect([more.length, String(letter?.content), letter?.properties.headers?.mine]).toEqual([0, body, 'yes'])
    },
  )

  test.each(['of others', 'of ours'])(
    'that may not be written to a place %s are whole once they may be',
    async (whose) => {
      const room = openRoom(url)
      const { channel, publish, take } = await room.bare()
      const theirs = `their.${room.topic}`
      await channel.assertExchange(theirs, 'fanout', { durable: true })
      await channel.assertQueue(theirs, { durable: true })
      await channel.bindQueue(theirs, theirs, '')
      const username = `user-${newId()}`
      const allow = (write: string) => running?.ctl('set_permissions', username, '.*', write, '.*')
      await running?.ctl('add_user', username, 'secret')
      await allow('.*')
      const { messaging, lines } = service({ url: url.replace(/\/\/[^@/]*@/, '//'), auth: { username, password: 'secret' } })
      const deadLetter = whose === 'of others' ? { to: { exchange: theirs } } : true
      messaging.handle({ topic: room.topic, group: 'g', maxRetries: 0, deadLetter }, fails)
      await messaging.start()
      await allow(whose === 'of others' ? '^(?!their).*$' : '^(?!amq).*$')
      const body = JSON.stringify({ text: 'x'.repeat(1_000) })
      await publish(room.topic, '', body, { messageId: 'bad', headers: { mine: 'yes' } })
      await until(() => lines.some(({ level, msg }) => level >= 40 && /access to exchange .* refused/.test(msg)))
      await quiet()
      expect(messaging.counters.dead).toBe(0)
      await allow('.*')
      await until(() => messaging.counters.dead === 1)
      const [letter] = await take(whose === 'of others' ? theirs : `${room.topic}.g.dlq`)
      expect([String(letter?.content), letter?.properties.headers?.mine]).toEqual([body, 'yes'])
    },
    60_000,
  )

  test('leave those from before where they are, which are found and handed back; and come to us again when the group says so', async () => {
    const room = openRoom(url)
    const { channel, take } = await room.bare()
    const dlq = `their.${room.topic}`
    await channel.assertQueue(dlq, { durable: true })
    const to = { exchange: '', routingKey: dlq }
    const [one, two, three] = messages(room.topic, 3)
    for (const [sent, deadLetter] of [
      [one, {}],
      [two, { to }],
      [three, {}],
    ] as const) {
      const driver = await room.connected()
      const group = await member(driver, { topics: [room.topic], deadLetter })
      if (sent) await driver.publish([sent])
      await group.settle([{ kind: 'deadLetter', delivery: await group.nth(1), headers: {} }])
      const { admin } = await room.connected()
      const lettersTo = (await admin.topics([room.topic]))[0]?.lettersTo
      expect(lettersTo).toEqual(sent === two ? { g: to } : undefined)
      await driver.close()
    }
    const { admin } = await room.connected()
    expect((await admin.deadLetters({ topic: room.topic })).letters.map(({ message }) => message.id)).toEqual([one?.id, three?.id])
    expect((await take(dlq)).map(({ properties }) => properties.messageId)).toEqual([two?.id])
    expect(await admin.replay({ topic: room.topic }, {})).toBe(2)
  })
})
