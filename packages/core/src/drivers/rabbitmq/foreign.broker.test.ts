import { broker } from '@corebus/testbed'
import type { GetMessage } from 'amqplib'
import { afterAll, describe, expect, test } from 'vitest'
import { newId } from '../../wire/id.ts'
import { member, openRoom, quiet, until } from './fixtures/room.ts'

const running = await broker('rabbitmq')
afterAll(() => running?.stop())
const url = running?.url ?? ''

/** Without what is ours, and without what a quorum queue adds for whoever reads it. */
function theirs({ content, properties }: GetMessage): unknown {
  const headers = Object.entries(properties.headers ?? {}).filter(([name]) => !name.startsWith('corebus-') && name !== 'x-delivery-count')
  return { content: content.toString('hex'), properties: { ...properties, headers: Object.fromEntries(headers) } }
}

describe.skipIf(!running)('foreign clients', () => {
  test('a foreign message keeps all it has through retry, dead letter and replay', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic], delays: [{ afterMs: 50, jitter: 0.2 }] })
    const { channel, publish, take } = await room.bare()
    const original = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(original.queue, room.topic, '#')
    const body = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    await publish(room.topic, 'another.key', body, {
      contentType: 'application/x-thing',
      contentEncoding: 'gzip',
      correlationId: 'corr',
      replyTo: 'somewhere',
      type: 'thing.made',
      appId: 'their-app',
      priority: 3,
      timestamp: 1_700_000_000,
      headers: {
        text: 'ü → 鍵',
        small: 42,
        negative: -70_000,
        big: 5_000_000_000,
        fraction: 1.25,
        yes: true,
        nothing: null,
        list: [1, 'two', [false]],
        table: { deep: { n: 1 } },
        bytes: Buffer.of(0xff, 0x00, 0xfe),
        when: { '!': 'timestamp', value: 1_700_000_001 },
        price: { '!': 'decimal', value: { places: 2, digits: 1999 } },
        'corebus-key': Buffer.of(0x66, 0xff, 0x6f),
      },
    })
    const [before] = await take(original.queue)
    expect(before).toBeDefined()

    const first = await group.nth(1)
    expect(first.message).toMatchObject({ id: '', topic: room.topic, key: 'f\uFFFDo' })
    expect(first.message.headers).toMatchObject({
      'content-type': 'application/x-thing',
      text: 'ü → 鍵',
      small: '42',
      yes: 'true',
      list: '[1,"two",[false]]',
      when: '1700000001',
    })
    await group.settle([{ kind: 'retry', delivery: first, headers: { 'corebus-attempt': '2' }, afterMs: 55 }])
    const second = await group.nth(2)
    expect(second.message.id).toMatch(/^[0-9a-f-]{36}$/)
    await group.settle([{ kind: 'retry', delivery: second, headers: { 'corebus-attempt': '3' }, afterMs: 50 }])
    const third = await group.nth(3)
    expect([third.message.id, third.message.headers['corebus-attempt']]).toEqual([second.message.id, '3'])
    await group.settle([{ kind: 'deadLetter', delivery: third, headers: { 'corebus-error': 'no' } }])

    // Read by somebody who has never heard of us, and given back.
    const letter = await channel.get(`${room.topic}.g.dlq`)
    if (!letter || !before) throw new Error('no letter')
    expect(theirs(letter)).toEqual(theirs(before))
    expect(letter.properties.headers).toMatchObject({ 'corebus-error': 'no', 'corebus-dead-group': 'g', 'corebus-dead-topic': room.topic })
    channel.nack(letter)

    await until(async () => (await driver.admin.depth(room.topic, 'g')).dead === 1)
    expect(await driver.admin.replay({ topic: room.topic }, { 'corebus-attempt': '1' })).toBe(1)
    const fourth = await group.nth(4)
    await group.stop()
    await driver.close()
    const [again] = await take(`${room.topic}:g`)
    expect(again && theirs(again)).toEqual(theirs(before))
    expect(fourth.message.headers['corebus-attempt']).toBe('1')
  })

  test('a copy does not expire, does not go to CC again, and is ours to publish', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const { channel, publish, take } = await room.bare()
    const other = await channel.assertQueue('', { exclusive: true })
    // The author sends it to the group, and a copy to another queue.
    await publish('', `${room.topic}:g`, '{}', { CC: [other.queue], expiration: 400, userId: 'guest', messageId: 'a' })
    const first = await group.nth(1)
    expect((await take(other.queue)).length).toBe(1)
    await group.settle([{ kind: 'retry', delivery: first, headers: {}, afterMs: 100 }])
    const second = await group.nth(2)
    await group.settle([{ kind: 'deadLetter', delivery: second, headers: {} }])
    await quiet(600)
    expect((await driver.admin.depth(room.topic, 'g')).dead).toBe(1)
    const [letter] = await take(`${room.topic}.g.dlq`)
    expect(letter?.properties).toMatchObject({ expiration: undefined, userId: undefined, messageId: 'a' })
    expect(letter?.properties.headers).toMatchObject({ 'corebus-amqp-expiration': '400', 'corebus-amqp-user-id': 'guest' })
    expect((await take(other.queue)).length).toBe(0)
  })

  test('what somebody else had dead-lettered before keeps that history; what our delays add is taken off', async () => {
    const room = openRoom(url)
    const group = await member(await room.connected(), { topics: [room.topic] })
    const { publish, take } = await room.bare()
    const death = {
      count: 2,
      reason: 'rejected',
      queue: 'theirs',
      exchange: 'e',
      'routing-keys': ['k'],
      time: { '!': 'timestamp', value: 1_700_000_000 },
    }
    await publish(room.topic, room.topic, '{}', {
      headers: { 'x-death': [death], 'x-first-death-queue': 'theirs', 'x-first-death-reason': 'rejected', 'x-first-death-exchange': 'e' },
    })
    const first = await group.nth(1)
    // Twice through the same delay: the broker drops a message that it sees go round in a circle.
    await group.settle([{ kind: 'retry', delivery: first, headers: {}, afterMs: 100 }])
    await group.settle([{ kind: 'retry', delivery: await group.nth(2), headers: {}, afterMs: 100 }])
    await group.settle([{ kind: 'deadLetter', delivery: await group.nth(3), headers: {} }])
    const [letter] = await take(`${room.topic}.g.dlq`)
    // Under names that the broker does not act upon.
    expect(letter?.properties.headers).toMatchObject({
      'corebus-header-x-death': [death],
      'corebus-header-x-first-death-queue': 'theirs',
      'corebus-header-x-first-death-reason': 'rejected',
      'corebus-header-x-first-death-exchange': 'e',
    })
    expect(Object.keys(letter?.properties.headers ?? {}).filter((name) => /^x-(first-|last-)?death/.test(name))).toEqual([])
  })

  test('what we publish lies there as documented, for whoever reads it', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    await driver.publish([{ id: newId(), topic: room.topic, headers: {}, body: Buffer.from('{}') }])
    const { channel, take } = await room.bare()
    const reader = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(reader.queue, room.topic, room.topic)
    const body = Buffer.from('{"name":"a.b","data":{"n":1},"timestamp":"2026-01-01T00:00:00.000Z","source":"s"}')
    const [one, two] = [newId(), newId()]
    const headers = { 'content-type': 'application/json', traceparent: '00-1', mine: 'ü' }
    await driver.publish([
      { id: one, topic: room.topic, key: 'k1', headers, body, event: 'a.b' },
      { id: two, topic: room.topic, key: 'k2', headers: {}, body: new Uint8Array(), tombstone: true },
    ])
    const [event, tombstone] = await take(reader.queue)
    expect(event?.fields.routingKey).toBe(room.topic)
    expect(event?.properties).toMatchObject({ messageId: one, contentType: 'application/json', deliveryMode: 2 })
    expect(Math.abs(event?.properties.timestamp - Date.now() / 1000)).toBeLessThan(60)
    expect(event?.properties.type).toBe('a.b')
    expect(event?.properties.headers).toEqual({ 'corebus-key': 'k1', traceparent: '00-1', mine: 'ü' })
    expect(event?.content.equals(body)).toBe(true)
    expect(tombstone?.properties).toMatchObject({ messageId: two, headers: { 'corebus-key': 'k2', 'corebus-tombstone': 'true' } })
    expect(tombstone?.content.length).toBe(0)
  })

  test("headers with names the broker acts upon are a user's own, and an id may be long", async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const headers = { CC: 'me', BCC: 'you', 'x-death': 'never', 'x-delivery-count': '7', 'x-first-death-queue': 'q' }
    const id = 'long-'.repeat(100)
    await driver.publish([{ id, topic: room.topic, headers, body: Buffer.from('{}') }])
    const first = await group.nth(1)
    expect([first.message.id, first.message.headers, first.unsettledBefore]).toEqual([id, headers, 0])
    await group.settle([{ kind: 'retry', delivery: first, headers: {}, afterMs: 100 }])
    const second = await group.nth(2)
    expect([second.message.id, second.message.headers, second.unsettledBefore]).toEqual([id, headers, 0])
  })

  test('headers that leave no room for a failure are refused for good, and errors are cut to fit beside those that do', async () => {
    const room = openRoom(url)
    const driver = await room.connected()
    const group = await member(driver, { topics: [room.topic] })
    const message = (size: number) => ({ id: newId(), topic: room.topic, headers: { big: 'x'.repeat(size) }, body: Buffer.from('{}') })
    const [fits, tooLarge] = [message(47 * 1024), message(50 * 1024)]
    await expect(driver.publish([fits, tooLarge])).rejects.toMatchObject({
      failures: [{ id: tooLarge.id, permanent: true, cause: { code: 'TOO_LARGE' } }],
    })
    const first = await group.nth(1)
    expect(first.message.id).toBe(fits.id)
    const failure = { 'corebus-error': 'é'.repeat(4 * 1024), 'corebus-error-stack': 's'.repeat(32 * 1024), 'corebus-reason': 'failed' }
    await group.settle([{ kind: 'deadLetter', delivery: first, headers: failure }])
    const [letter] = (await driver.admin.deadLetters({ topic: room.topic })).letters
    expect(letter?.message.headers).toMatchObject({
      big: fits.headers.big,
      'corebus-error': failure['corebus-error'],
      'corebus-reason': 'failed',
    })
    expect(failure['corebus-error-stack'].startsWith(letter?.message.headers['corebus-error-stack'] ?? 'nothing')).toBe(true)
  })
})
