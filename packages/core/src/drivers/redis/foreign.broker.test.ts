import { broker } from '@corebus/testbed'
import { pino } from 'pino'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import type { HandlerContext } from '../../handlers/handler.ts'
import { createMessaging, type Messaging } from '../../messaging.ts'
import { defineEvent } from '../../wire/event-type.ts'
import { newId } from '../../wire/id.ts'
import { type ForeignClient, redisCli, redisPy } from './fixtures/foreign.ts'
import { member, messages, openRoom, until } from './fixtures/room.ts'

const running = await broker('redis')
afterAll(() => running?.stop())
const url = running?.url ?? ''
const python = running && (await redisPy(url))

const CLIENTS: readonly (readonly [name: string, client: ForeignClient | undefined])[] = [
  ['redis-cli', redisCli(url)],
  ["Python's redis", python],
]

interface Call {
  readonly message: unknown
  readonly context: HandlerContext
}

/** A service as its author writes one, on a topic of its own, with a handler that fails as often as asked. */
async function service({
  failures = 0,
  maxRetries = 3,
} = {}): Promise<{ messaging: Messaging; topic: string; nth: (n: number) => Promise<Call> }> {
  const messaging = createMessaging({ broker: 'redis', url, service: 'invoices', env: {}, logger: pino({ level: 'silent' }) })
  onTestFinished(() => messaging.close())
  const topic = `foreign-${newId()}`
  const calls: Call[] = []
  messaging.handle({ topic, group: 'g', maxRetries, retryDelayMs: 100 }, (message: unknown, context) => {
    calls.push({ message, context })
    if (calls.length <= failures) throw new Error('not yet')
  })
  await messaging.start()
  return {
    messaging,
    topic,
    async nth(n) {
      await until(() => calls.length >= n)
      return calls[n - 1] as Call // there since the line above
    },
  }
}

describe.skipIf(!running).each(CLIENTS)('%s, which knows nothing of us', (_, client) => {
  const foreign = client as ForeignClient // every test is skipped where it is undefined
  const it = test.skipIf(!client)

  it('writes a body and nothing else, and a handler has it; its id is where it lies', async () => {
    const { topic, nth } = await service()
    const id = await foreign.add(topic, { body: '{"order_id":7,"note":"größer → 鍵"}' })
    const { message, context } = await nth(1)
    expect(message).toEqual({ order_id: 7, note: 'größer → 鍵' })
    expect([context.topic, context.key, context.attempt, context.id]).toEqual([topic, undefined, 1, `redis:${topic}/${id}`])
  })

  it('writes fields and no body, and a handler has an object of strings, also after a retry', async () => {
    const { topic, nth } = await service({ failures: 1 })
    const id = await foreign.add(topic, { order_id: '7', note: 'größer', paid: 'true' })
    const first = await nth(1)
    expect(first.message).toEqual({ order_id: '7', note: 'größer', paid: 'true' })
    const second = await nth(2)
    expect(second.message).toEqual(first.message)
    expect([second.context.id, second.context.attempt]).toEqual([`redis:${topic}/${id}`, 2])
  })

  it('gives an id, a key and headers, by our names and by its own', async () => {
    const { topic, nth } = await service()
    const id = newId()
    await foreign.add(topic, { body: '{}', 'corebus-id': id, 'corebus-key': 'k1', 'h:x-tenant': 'ü', traceparent: '00-1', beside: 'b' })
    const { context } = await nth(1)
    expect([context.id, context.key]).toEqual([id, 'k1'])
    expect(context.headers).toEqual({ 'x-tenant': 'ü', traceparent: '00-1', beside: 'b' })
  })

  it('reads an event, a message and a tombstone of ours as documented', async () => {
    const { messaging, topic, nth } = await service()
    const Paid = defineEvent('invoice.paid', z.object({ id: z.number() }), { topic, key: 'id' })
    await messaging.publishEvent(Paid, { id: 7 }, { id: 'event', headers: { mine: 'ü' } })
    await messaging.getProducer().send(topic, { plain: true }, { id: 'message', correlationId: 'c' })
    await messaging.getProducer().send(topic, null, { id: 'gone', key: 'k' })
    await nth(3)
    const [event, message, tombstone] = await foreign.read(topic)
    const { body = '', ...fields } = event?.fields ?? {}
    expect(fields).toEqual({
      'corebus-id': 'event',
      'corebus-key': '7',
      'corebus-correlation': 'event',
      'content-type': 'application/json',
      'h:mine': 'ü',
    })
    expect(JSON.parse(body)).toMatchObject({ name: 'invoice.paid', data: { id: 7 }, source: 'invoices' })
    expect(message?.fields).toEqual({
      body: '{"plain":true}',
      'corebus-id': 'message',
      'corebus-correlation': 'c',
      'content-type': 'application/json',
    })
    expect(tombstone?.fields).toMatchObject({ body: '', 'corebus-id': 'gone', 'corebus-key': 'k', 'corebus-tombstone': 'true' })
  })

  it('reads a dead letter where it is documented to lie', async () => {
    const { messaging, topic, nth } = await service({ failures: 9, maxRetries: 0 })
    await foreign.add(topic, { body: 'not json', mine: 'kept' })
    await foreign.add(topic, { body: '{}', mine: 'kept' })
    await nth(1)
    const { admin } = await messaging.driver()
    await until(async () => (await admin.depth(topic, 'g')).dead === 2)
    const letters = await foreign.read(`{${topic}}:dead:${topic}.g.dlq`)
    expect(letters.map(({ fields }) => fields['corebus-reason']).sort()).toEqual(['failed', 'not-json'])
    for (const { fields } of letters) {
      expect(fields).toMatchObject({ mine: 'kept', 'corebus-dead-group': 'g', 'corebus-topic': topic, 'corebus-attempt': '1' })
      expect(Math.abs(Number(fields['corebus-dead-at']) - Date.now())).toBeLessThan(60_000)
    }
  })
})

describe.skipIf(!running)('what somebody else wrote', () => {
  test('is copied field by field: bytes that are no text, a name twice, no id', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const { ask, entries } = await room.bare()
    const binary = Buffer.from([0xff, 0x00, 0xfe, 0x0d, 0x0a])
    await ask('XADD', room.topic, '*', 'body', binary, 'corebus-key', binary, 'twice', 'one', 'twice', 'two', binary, binary)
    const [original] = await entries(room.topic)
    const first = await group.nth(1)
    expect([...first.message.body]).toEqual([...binary])
    await group.settle([{ kind: 'retry', delivery: first, headers: { 'corebus-attempt': '2' }, afterMs: 30 }])
    const second = await group.nth(2)
    expect(second.message.id).toBe(`redis:${room.topic}/${original?.id}`)
    expect([...second.message.body]).toEqual([...binary])
    await group.settle([{ kind: 'deadLetter', delivery: second, headers: { 'corebus-attempt': '3' } }])
    const place = `{${room.topic}}:dead:${room.topic}.g.dlq`
    const [letter] = await entries(place)
    const theirs = original?.fields.length ?? 0
    expect(letter?.fields.slice(0, theirs)).toEqual(original?.fields)
    const names = (fields: readonly Buffer[] = []) => fields.flatMap((name, i) => (i % 2 === 0 ? String(name) : []))
    expect(names(letter?.fields.slice(theirs))).toEqual(['corebus-id', 'corebus-attempt', 'corebus-dead-group', 'corebus-dead-at'])
    expect(await driver.admin.replay({ topic: room.topic }, { 'corebus-attempt': '1' })).toBe(1)
    await group.nth(3)
    await group.stop()
    await driver.close()
    const [again] = await entries(`{${room.topic}}:group:g:again`)
    expect(again?.fields.slice(0, theirs)).toEqual(original?.fields)
    expect(names(again?.fields.slice(theirs))).toEqual(['corebus-id', 'corebus-attempt'])
  })

  test('is copied whatever its size: an entry of 4,500 fields, retried at once and later, dead-lettered and handed back', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const { ask, entries } = await room.bare()
    const fields = Array.from({ length: 4_500 }, (_, n) => [`f${n}`, `v${n}`]).flat()
    await ask('XADD', room.topic, '*', 'body', '{}', ...fields)
    const [original] = await entries(room.topic)
    const whole = original?.fields ?? []
    let came = 0
    for (const afterMs of [0, 30]) {
      const delivery = await group.nth(++came)
      await group.settle([{ kind: 'retry', delivery, headers: { 'corebus-attempt': '2' }, afterMs }])
    }
    for (const life of [1, 2]) {
      const delivery = await group.nth(++came)
      expect(Object.keys(delivery.message.headers).length).toBe(4_500 + 1)
      await group.settle([{ kind: 'deadLetter', delivery, headers: { 'corebus-attempt': '3' } }])
      const letters = await entries(`{${room.topic}}:dead:${room.topic}.g.dlq`)
      expect(letters.length).toBe(1)
      expect(letters[0]?.fields.slice(0, whole.length)).toEqual(whole)
      if (life === 1) expect(await driver.admin.replay({ topic: room.topic }, {})).toBe(1)
    }
    expect(await driver.admin.depth(room.topic, 'g')).toMatchObject({ ready: 0, inFlight: 0, delayed: 0, dead: 1 })
  })

  test('a field of theirs that is named as our packing is a field, whatever it holds', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const { ask } = await room.bare()
    for (const value of ['x', Buffer.from([0xff, 0xff, 0xff, 0xff, 1]), Buffer.from([0, 0, 0, 4, 98, 111, 100, 121, 0, 0, 0, 2, 123, 125])])
      await ask('XADD', room.topic, '*', 'corebus-packed', value)
    // As nobody of us writes it, also on the group's own stream.
    await ask('XADD', `{${room.topic}}:group:g:again`, '*', 'corebus-packed', 'x')
    await driver.publish(messages(room.topic, 1))
    await group.nth(5)
    for (const delivery of group.deliveries.slice(0, 5))
      await group.settle([{ kind: 'deadLetter', delivery, headers: { 'corebus-attempt': '2' } }])
    expect((await driver.admin.deadLetters({ topic: room.topic })).letters.length).toBe(5)
  })

  test('headers with names of ours or of the layout stay what they are', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const headers = { body: 'b', 'h:x': 'y', '': 'empty', traceparent: '00' }
    await driver.publish([{ id: newId(), topic: room.topic, headers, body: Buffer.from('{}') }])
    expect((await group.nth(1)).message.headers).toEqual(headers)
    expect(String((await group.nth(1)).message.body)).toBe('{}')
  })
})
