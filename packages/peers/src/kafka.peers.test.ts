import type { Messaging } from '@corebus/core'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import * as faststream from './adopt/faststream.ts'
import * as nestjs from './adopt/nestjs.ts'
import { command, eventually, type Handled, nodePeer, python, recorder, service, watermill } from './kit.ts'
import type { Peer } from './peer.ts'

const url = inject('brokers').kafka
const installed = inject('installed')
const env = { KAFKA_BOOTSTRAP_SERVERS: url ?? '' }

/** A service that handles what the topics get, by topic; and what it knows of events, by their names. */
function handling(messaging: Messaging, topics: readonly string[], events: readonly string[]): Record<string, Handled[]> {
  const all: Record<string, Handled[]> = {}
  for (const topic of topics) {
    const { handled, handler } = recorder()
    all[topic] = handled
    messaging.handle({ topic }, handler)
  }
  for (const topic of events) {
    const { handled, handler } = recorder()
    all[topic] = handled
    messaging.on('order.placed', { topic }, handler)
  }
  return all
}

const first = (handled: readonly Handled[] | undefined): Handled => {
  if (!handled?.[0]) throw new Error('nothing was handled')
  return handled[0]
}

describe.skipIf(!url || !installed.python)('FastStream on Kafka', () => {
  let messaging: Messaging
  let peer: Peer
  let got: Record<string, Handled[]>
  beforeAll(async () => {
    messaging = service('kafka')
    got = handling(messaging, [], ['faststream-writes-events'])
    const written = recorder()
    got['faststream-writes'] = written.handled
    faststream.fromOurs(messaging, written.handler)
    await faststream.toOurs(messaging, { id: 7, total: 1.5 })
    await messaging.publishEvent('order.placed', { id: 8, total: 2.5 }, { topic: 'faststream-reads-events' })
    await messaging.start()
    peer = python(['faststream_kafka.py'], { env })
    await peer.line('READY')
  })
  afterAll(async () => {
    await peer?.stop()
    await messaging.close()
  })

  test('what it publishes is handled, with its key and its headers', async () => {
    await eventually(() => got['faststream-writes']).toHaveLength(1)
    const { message, context } = first(got['faststream-writes'])
    expect(message).toEqual({ id: 1, total: 9.5 })
    expect(context.headers.tenant).toBe('acme')
  })

  test('a body of the four fields that it publishes is an event', async () => {
    await eventually(() => got['faststream-writes-events']).toHaveLength(1)
    expect(first(got['faststream-writes-events']).message).toMatchObject({ name: 'order.placed', data: { id: 2, total: 9.5 } })
  })

  test('what send publishes fits its model', async () => {
    expect(await peer.line('GOT {')).toBe('GOT {"id":7,"total":1.5}')
  })

  test('an event fits a model of the four fields', async () => {
    expect(await peer.line('GOT order.placed')).toBe('GOT order.placed {"id":8,"total":2.5}')
  })
})

describe.skipIf(!url || !installed.node)('NestJS on Kafka', () => {
  let messaging: Messaging
  let peer: Peer
  let got: Record<string, Handled[]>
  beforeAll(async () => {
    messaging = service('kafka')
    got = handling(messaging, [], ['nest-writes-events'])
    const written = recorder()
    got['nest-writes'] = written.handled
    nestjs.onKafka(messaging, written.handler)
    await nestjs.toKafka(messaging, { id: 7 })
    await messaging.publishEvent('order.placed', { id: 8 }, { topic: 'nest-reads-events' })
    await messaging.start()
    peer = nodePeer('kafka', [], { env })
    await peer.line('READY')
  })
  afterAll(async () => {
    await peer?.stop()
    await messaging.close()
  })

  test('what its client emits is handled, with key and headers where it gives them', async () => {
    await eventually(() => got['nest-writes']).toHaveLength(2)
    const byId = (id: number) => first(got['nest-writes']?.filter(({ message }) => (message as { id: number }).id === id))
    expect(byId(1).context.key).toBeUndefined()
    expect(byId(2).context.key).toBe('ana')
    expect(byId(2).context.headers.tenant).toBe('acme')
  })

  test('a body of the four fields that it emits is an event', async () => {
    await eventually(() => got['nest-writes-events']).toHaveLength(1)
    expect(first(got['nest-writes-events']).message).toMatchObject({ name: 'order.placed', data: { id: 3 } })
  })

  test('a topic is a pattern of its handlers', async () => {
    expect(await peer.line('GOT nest-reads')).toBe('GOT nest-reads {"id":7}')
  })

  test('of an event it gets the whole envelope', async () => {
    expect(await peer.line('GOT order.placed')).toBe('GOT order.placed {"id":8}')
  })
})

describe.skipIf(!url || !installed.watermill)('Watermill on Kafka', () => {
  test('what it publishes is handled with its metadata, and what we publish it handles', async () => {
    const messaging = service('kafka')
    onTestFinished(() => messaging.close())
    const got = handling(messaging, ['watermill-writes'], [])
    await messaging.getProducer().send('watermill-reads', { id: 7 })
    await messaging.start()
    const peer = watermill(['kafka', url ?? ''])
    onTestFinished(() => peer.stop())
    expect(await peer.line('GOT')).toBe('GOT {"id":7}')
    await eventually(() => got['watermill-writes']).toHaveLength(1)
    const { message, context } = first(got['watermill-writes'])
    expect(message).toEqual({ id: 1 })
    expect(context.headers.tenant).toBe('acme')
    expect(context.headers._watermill_message_uuid).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe.skipIf(!url)('kcat', () => {
  const kcat = (args: readonly string[], input?: string) => command('kcat', ['-b', url ?? '', ...args], input)

  test('keys, headers, the last of two equal ones, tombstones and records without a key are handled', async () => {
    const messaging = service('kafka')
    onTestFinished(() => messaging.close())
    const got = handling(messaging, ['kcat-writes'], [])
    await messaging.start()
    kcat(['-P', '-t', 'kcat-writes', '-K', '|', '-H', 'tenant=first', '-H', 'tenant=acme'], 'ana|{"id":1}')
    await eventually(() => got['kcat-writes']).toHaveLength(1)
    kcat(['-P', '-t', 'kcat-writes', '-K', '|', '-Z'], 'ana|')
    await eventually(() => got['kcat-writes']).toHaveLength(2)
    kcat(['-P', '-t', 'kcat-writes'], '{"id":3}')
    await eventually(() => got['kcat-writes']).toHaveLength(3)
    const [keyed, tombstone, bare] = got['kcat-writes'] ?? []
    expect(keyed?.message).toEqual({ id: 1 })
    expect([keyed?.context.key, keyed?.context.headers.tenant]).toEqual(['ana', 'acme'])
    expect([tombstone?.message, tombstone?.context.key]).toEqual([null, 'ana'])
    expect([bare?.message, bare?.context.key]).toEqual([{ id: 3 }, undefined])
  })

  test.each(['gzip', 'snappy', 'lz4', 'zstd'])('what it compresses with %s is handled', async (codec) => {
    const messaging = service('kafka')
    onTestFinished(() => messaging.close())
    const topic = `kcat-${codec}`
    const seen = recorder()
    messaging.handle({ topic }, seen.handler)
    await messaging.start()
    const all = Array.from({ length: 50 }, (_, id) => ({ id }))
    kcat(['-P', '-t', topic, '-p', '0', '-z', codec], all.map((order) => JSON.stringify(order)).join('\n'))
    await eventually(seen.messages).toEqual(all)
  })

  test('a key that is no text reaches the handler as its bytes', async () => {
    const messaging = service('kafka')
    onTestFinished(() => messaging.close())
    const seen = recorder()
    messaging.handle({ topic: 'kcat-keys' }, seen.handler)
    await messaging.start()
    const key = Buffer.of(0, 0, 0, 0, 1, 0xfe, 0xff)
    command('kcat', ['-b', url ?? '', '-P', '-t', 'kcat-keys', '-K', '|'], Buffer.concat([key, Buffer.from('|{"id":1}')]))
    await eventually(seen.messages).toEqual([{ id: 1 }])
    expect(Buffer.from(seen.handled[0]?.context.rawKey ?? [])).toEqual(key)
  })

  test('what is no JSON is a dead letter, and what comes after it is handled', async () => {
    const messaging = service('kafka')
    onTestFinished(() => messaging.close())
    const got = handling(messaging, ['kcat-writes-text'], [])
    await messaging.start()
    kcat(['-P', '-t', 'kcat-writes-text'], 'hello\n{"id":2}\n')
    await eventually(() => got['kcat-writes-text']?.map(({ message }) => message)).toEqual([{ id: 2 }])
    const { admin } = await messaging.driver()
    const [letter] = (await admin.deadLetters({ topic: 'kcat-writes-text' })).letters
    expect(letter?.message.headers['corebus-reason']).toBe('not-json')
  })

  test('reads what we publish: key, value and headers', async () => {
    const messaging = service('kafka')
    onTestFinished(() => messaging.close())
    await messaging.getProducer().send('kcat-reads', { id: 7 }, { key: 'ana', headers: { tenant: 'acme' } })
    const [record] = kcat(['-C', '-t', 'kcat-reads', '-e', '-q', '-J'], '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect([record.key, record.payload]).toEqual(['ana', '{"id":7}'])
    expect(record.headers).toEqual(expect.arrayContaining(['tenant', 'acme', 'content-type', 'application/json']))
  })
})
