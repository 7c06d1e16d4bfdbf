import type { Messaging } from '@corebus/core'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import * as adopt from './adopt/faststream.ts'
import { eventually, python, recorder, service } from './kit.ts'
import type { Peer } from './peer.ts'

const url = inject('brokers').rabbitmq

describe.skipIf(!url || !inject('installed').python)('FastStream on RabbitMQ', () => {
  const seen = { ours: recorder(), queue: recorder(), exchange: recorder(), first: recorder() }
  const services: Messaging[] = []
  let peer: Peer
  const start = async (register: (messaging: Messaging) => void): Promise<Messaging> => {
    const messaging = service('rabbitmq')
    services.push(messaging)
    register(messaging)
    await messaging.start()
    return messaging
  }
  let before: Messaging
  beforeAll(async () => {
    before = await start((messaging) => adopt.fromOurs(messaging, seen.ours.handler))
    await adopt.toOurs(before, { id: 7, total: 1.5 })
    peer = python(['faststream_rabbitmq.py'], { env: { RABBITMQ_URL: url ?? '' } })
    await peer.line('READY')
    await start((messaging) => {
      adopt.fromItsQueue(messaging, seen.queue.handler)
      adopt.fromItsExchange(messaging, seen.exchange.handler)
      messaging.handle({ topic: 'faststream-first' }, seen.first.handler)
    })
  })
  afterAll(async () => {
    await peer?.stop()
    await Promise.all(services.map((one) => one.close()))
  })

  test('what it publishes to our exchange is handled, with its headers', async () => {
    await eventually(seen.ours.messages).toEqual([{ id: 2, total: 9.5 }])
    expect(seen.ours.handled[0]?.context.headers.tenant).toBe('acme')
  })

  test('what it publishes to its queue is handled from the queue', async () => {
    await eventually(seen.queue.messages).toEqual([{ id: 1, total: 9.5 }])
  })

  test('it declares our exchange as its documentation shows, and reads what we publish', async () => {
    await adopt.toOurs(before, { id: 8, total: 2.5 })
    expect(await peer.line('GOT OURS {"id":8')).toBe('GOT OURS {"id":8,"total":2.5}')
  })

  test('an exchange that it declared first is ours to publish to and to handle', async () => {
    await before.getProducer().send('faststream-first', { id: 9, total: 3.5 })
    expect(await peer.line('GOT FIRST')).toBe('GOT FIRST {"id":9,"total":3.5}')
    await eventually(seen.first.messages).toEqual([{ id: 9, total: 3.5 }])
  })

  test('a start on a topic that is called as its queue says that what it publishes "to orders" lies in the queue', async () => {
    const lines: { code?: string; msg: string }[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
    const messaging = service('rabbitmq', 'hopeful', { logger })
    services.push(messaging)
    messaging.handle({ topic: 'faststream-asks' }, () => {})
    await messaging.start()
    await eventually(() => lines.map(({ msg }) => msg).join('\n')).toMatch(/faststream-asks.*from: \{ queue: 'faststream-asks' \} reads it/)
  })

  test('what we publish to its queue by the default exchange it reads', async () => {
    await adopt.toItsQueue(before, { id: 10, total: 4.5 })
    expect(await peer.line('GOT {"id":10')).toBe('GOT {"id":10,"total":4.5}')
  })

  test('of what it publishes to its topic exchange we get what we bind', async () => {
    await before.getProducer().send('faststream-asked', { id: 11, total: 5.5 }, { exchange: '', routingKey: 'faststream-asks' })
    await eventually(() => peer.count('GOT ROUTED')).toBe(2)
    await eventually(seen.exchange.messages).toEqual([{ id: 11, total: 5.5 }])
    expect(seen.exchange.handled[0]?.context.routingKey).toBe('order.eu.created')
  })
})
