import type { Messaging } from '@corebus/core'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import * as adopt from './adopt/celery.ts'
import { eventually, type Handled, python, recorder, service } from './kit.ts'
import type { Peer } from './peer.ts'

const url = inject('brokers').rabbitmq
const env = { RABBITMQ_URL: url ?? '' }
const WORKER = [
  '-m',
  'celery',
  '-A',
  'shop',
  'worker',
  '-n',
  'shop@%h',
  '-l',
  'info',
  '--pool',
  'solo',
  '--without-gossip',
  '--without-mingle',
]

describe.skipIf(!url || !inject('installed').python)('Celery on RabbitMQ', () => {
  const seen = { queue: recorder(), ours: recorder() }
  let before: Messaging
  let after: Messaging
  let worker: Peer
  beforeAll(async () => {
    before = service('rabbitmq', 'shop')
    adopt.fromOurExchange(before, seen.ours.handler)
    await before.start()
    worker = python(WORKER, { env })
    const writer = python(['celery_write.py'], { env })
    await writer.line('READY')
    await writer.stop()
    await worker.line('ready.')
    after = service('rabbitmq')
    adopt.fromItsQueue(after, seen.queue.handler)
    await after.start()
  })
  afterAll(async () => {
    await worker?.stop()
    await before?.close()
    await after?.close()
  })

  test('a task that it sends to a queue is handled from the queue, with its name and id', async () => {
    await eventually(seen.queue.messages).toMatchObject([{ name: 'shop.charge', data: { args: [4, 9.5], kwargs: { currency: 'USD' } } }])
    const { context } = seen.queue.handled[0] as Handled
    expect(context.id).toBe(context.headers.id)
    expect(context.id).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('a task that it sends to our exchange is handled', async () => {
    await eventually(seen.ours.messages).toMatchObject([{ name: 'shop.charge', data: { args: [5, 9.5], kwargs: { currency: 'EUR' } } }])
  })

  test('its worker runs a task that we publish to its queue', async () => {
    await adopt.toItsQueue(before, 6, 1.5)
    expect(await worker.line('GOT 6')).toContain('GOT 6 1.5 USD')
    await worker.line('succeeded')
  })
})
