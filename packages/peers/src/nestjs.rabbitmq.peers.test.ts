import type { Messaging } from '@corebus/core'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import * as adopt from './adopt/nestjs.ts'
import { eventually, nodePeer, recorder, service } from './kit.ts'
import type { Peer } from './peer.ts'

const url = inject('brokers').rabbitmq

describe.skipIf(!url || !inject('installed').node)('NestJS on RabbitMQ', () => {
  const seen = { queue: recorder(), ours: recorder() }
  let before: Messaging
  let after: Messaging
  let peer: Peer
  beforeAll(async () => {
    before = service('rabbitmq', 'shop')
    adopt.fromOurExchange(before, seen.ours.handler)
    await before.start()
    await adopt.toOurExchange(before, { id: 7 })
    peer = nodePeer('rabbitmq', [], { env: { RABBITMQ_URL: url ?? '' } })
    await peer.line('READY')
    after = service('rabbitmq')
    adopt.fromItsQueue(after, seen.queue.handler)
    adopt.answers(after)
    await after.start()
  })
  afterAll(async () => {
    await peer?.stop()
    await before?.close()
    await after?.close()
  })

  test('what its client emits to a queue is handled from the queue', async () => {
    await eventually(seen.queue.messages).toMatchObject([{ name: 'order.placed', data: { id: 1 } }])
  })

  test('what its client emits to our exchange, which it declares, is handled', async () => {
    await eventually(seen.ours.messages).toMatchObject([{ name: 'order.placed', data: { id: 2 } }])
  })

  test('what it asks for is answered', async () => {
    expect(await peer.line('ANSWER')).toBe('ANSWER 3')
  })

  test('it handles what we publish to its queue', async () => {
    await adopt.toItsQueue(before, { id: 8 })
    expect(await peer.line('GOT its queue')).toBe('GOT its queue {"id":8}')
  })

  test('it handles packets that we publish to our exchange, which it declares', async () => {
    await adopt.toOurExchange(before, { id: 9 })
    expect(await peer.line('GOT nest-ours {"id":9')).toBe('GOT nest-ours {"id":9}')
  })

  test('it handles our events by a deserializer of its own', async () => {
    await before.publishEvent('order.placed', { id: 10 }, { topic: 'nest-events' })
    expect(await peer.line('GOT nest-events')).toBe('GOT nest-events {"id":10}')
  })
})
