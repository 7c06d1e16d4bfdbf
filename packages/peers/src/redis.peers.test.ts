import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Messaging } from '@corebus/core'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import * as bare from './adopt/bare.ts'
import * as bullmq from './adopt/bullmq.ts'
import * as faststream from './adopt/faststream.ts'
import * as watermillOnRedis from './adopt/watermill.ts'
import { command, eventually, nodePeer, python, recorder, service, watermill } from './kit.ts'
import type { Peer } from './peer.ts'

const url = inject('brokers').redis
const installed = inject('installed')

const cli = (...args: readonly string[]) => command('redis-cli', ['-u', url ?? '', ...args]).trim()

describe.skipIf(!url || !installed.python)('FastStream on Redis', () => {
  let messaging: Messaging
  let peer: Peer
  const seen = recorder()
  beforeAll(async () => {
    messaging = service('redis')
    faststream.fromItsStream(messaging, seen.handler)
    // FastStream reads from the end of a stream, so it comes first.
    peer = python(['faststream_redis.py'], { env: { REDIS_URL: url ?? '' } })
    await peer.line('READY')
    await messaging.start()
  })
  afterAll(async () => {
    await peer?.stop()
    await messaging.close()
  })

  test('what it publishes in its own format is handled, also with a brace in its headers', async () => {
    await eventually(seen.messages).toMatchObject([{ name: 'order.placed', data: { id: 1, total: 9.5 } }])
  })

  test('what we write into its field it reads as it reads its own', async () => {
    await faststream.toItsStream(messaging, { id: 7, total: 1.5 })
    expect(await peer.line('GOT {')).toBe('GOT {"id":7,"total":1.5}')
  })

  test('what we write as always it reads with a model of the entry', async () => {
    await messaging.getProducer().send('faststream-reads-ours', { id: 8, total: 2.5 })
    expect(await peer.line('GOT OURS')).toBe('GOT OURS {"id":8,"total":2.5}')
  })
})

describe.skipIf(!url || !installed.watermill)('Watermill on Redis', () => {
  test('what it publishes is handled, and what we write into its fields it handles', async () => {
    const messaging = service('redis')
    onTestFinished(() => messaging.close())
    const seen = recorder()
    watermillOnRedis.fromItsStream(messaging, seen.handler)
    const peer = watermill(['redis', new URL(url ?? '').host])
    onTestFinished(() => peer.stop())
    await peer.line('READY')
    await messaging.start()
    await eventually(seen.messages).toMatchObject([{ name: 'order.placed', data: { id: 1 } }])
    await watermillOnRedis.toItsStream(messaging, { id: 7 })
    expect(await peer.line('GOT')).toBe('GOT {"id":7}')
    expect(peer.running()).toBe(true)
  })
})

describe.skipIf(!url || !installed.node)('BullMQ', () => {
  test('a job that is done is read from its events, and a handler adds jobs that a worker does', async () => {
    const messaging = service('redis')
    onTestFinished(() => messaging.close())
    const seen = recorder()
    const { Queue } = createRequire(join(installed.node ?? '', 'here.js'))('bullmq')
    const emails = new Queue('emails', { connection: { url } })
    onTestFinished(() => emails.close())
    bullmq.whenCompleted(messaging, seen.handler)
    bullmq.asJobs(messaging, emails)
    const peer = nodePeer('bullmq', [], { env: { REDIS_URL: url ?? '' } })
    onTestFinished(() => peer.stop())
    expect(await peer.line('GOT welcome')).toBe('GOT welcome first {"id":1}')
    await messaging.start()
    await eventually(seen.messages).toMatchObject([{ jobId: 'first', returnvalue: '{"sent":1}' }])
    await messaging.getProducer().send('orders-placed', { id: 2 }, { id: 'order-2' })
    expect(await peer.line('GOT receipt')).toBe('GOT receipt order-2 {"id":2}')
    await eventually(() => seen.handled.length).toBe(2)
  })
})

describe.skipIf(!url)('redis-cli', () => {
  test('an entry of fields that it adds is an object of texts, by any key', async () => {
    const messaging = service('redis')
    onTestFinished(() => messaging.close())
    const seen = recorder()
    bare.fromItsStream(messaging, seen.handler)
    cli('XADD', 'shop:orders', '*', 'id', '1', 'total', '9.5')
    await messaging.start()
    await eventually(seen.messages).toEqual([{ id: '1', total: '9.5' }])
  })

  test('a topic may have a key of its convention, and an entry what others look for', async () => {
    const messaging = service('redis', 'billing', { names: bare.names })
    onTestFinished(() => messaging.close())
    await messaging.getProducer().send('orders-out', { id: 1 })
    await bare.toItsStream(messaging, { id: 2, total: 9.5 })
    expect(cli('XLEN', 'shop:orders:out')).toBe('2')
    expect(cli('XREVRANGE', 'shop:orders:out', '+', '-', 'COUNT', '1').split('\n').slice(1)).toEqual(['id', '2', 'total', '9.5'])
  })

  test('a stream of its own keeps what it has, whatever its age and whoever reads and writes', async () => {
    const messaging = service('redis')
    onTestFinished(() => messaging.close())
    const seen = recorder()
    const days = Date.now() - 3 * 86_400_000
    const client = await createClient({ url: url ?? '' }).connect()
    onTestFinished(() => client.close())
    await Promise.all(Array.from({ length: 2_000 }, (_, i) => client.xAdd('shop.hist', `${days}-${i + 1}`, { n: String(i) })))
    messaging.handle({ topic: 'shop.hist' }, seen.handler)
    await messaging.start()
    await eventually(() => seen.handled.length).toBe(2_000)
    await messaging.getProducer().send('shop.hist', { n: 2_000 })
    await eventually(() => seen.handled.length).toBe(2_001)
    expect(cli('XLEN', 'shop.hist')).toBe('2001')
  })

  test('a key that is no stream is refused by its name, and is not remembered', async () => {
    const messaging = service('redis')
    onTestFinished(() => messaging.close())
    cli('RPUSH', 'shop.list', 'a')
    messaging.handle({ topic: 'shop.list' }, () => {})
    await expect(messaging.start()).rejects.toThrow(/shop\.list/)
    expect(cli('SISMEMBER', 'corebus:topics', 'shop.list')).toBe('0')
    expect(cli('LRANGE', 'shop.list', '0', '-1')).toBe('a')
  })
})

describe.skipIf(!url)('a consumer group that others use', () => {
  async function theirs(key: string) {
    cli('XGROUP', 'CREATE', key, 'workers', '0', 'MKSTREAM')
    for (const id of ['1', '2', '3']) cli('XADD', key, '*', 'id', id)
    cli('XREADGROUP', 'GROUP', 'workers', 'py1', 'COUNT', '2', 'STREAMS', key, '>')
    return () => [cli('XPENDING', key, 'workers', '-', '+', '10', 'py1').split('\n').length / 4, cli('XINFO', 'CONSUMERS', key, 'workers')]
  }

  test('is refused, and what it holds stays as it was', async () => {
    const before = await theirs('shop:refused')
    const [pending] = before()
    expect(pending).toBe(2)
    const messaging = service('redis', 'workers')
    onTestFinished(() => messaging.close())
    messaging.handle({ topic: 'refused', from: { stream: 'shop:refused' } }, () => {})
    await expect(messaging.start()).rejects.toMatchObject({ code: 'GROUP_FOREIGN' })
    expect(before()[0]).toBe(2)
  })

  test('is joined with shared: true, and then only what we were given is settled', async () => {
    const held = await theirs('shop:shared')
    const messaging = service('redis', 'workers')
    onTestFinished(() => messaging.close())
    const seen = recorder()
    messaging.handle({ topic: 'shared', from: { stream: 'shop:shared' }, shared: true }, seen.handler)
    await messaging.start()
    await eventually(seen.messages).toEqual([{ id: '3' }])
    await messaging.close()
    expect(held()[0]).toBe(2)
    expect(held()[1]).toContain('py1')
  })
})
