import { expect, test } from 'vitest'
import { z } from 'zod'
import { onMemory, until } from '../../test/kit.ts'
import { defineEvent } from '../wire/event-type.ts'
import type { Envelope } from '../wire/foreign-envelope.ts'
import {
  celeryTasks,
  cloudEvents,
  cloudEventsBinary,
  cloudEventsBinaryAmqp,
  fastStream,
  massTransit,
  nestPackets,
  ownEvents,
  watermill,
} from './index.ts'

const isoDate = z.codec(z.iso.datetime(), z.date(), { decode: (text) => new Date(text), encode: (date) => date.toISOString() })
const Order = z.object({ id: z.number(), at: isoDate })
const Task = z.object({ args: z.tuple([z.number()]), kwargs: z.object({ at: isoDate }) })
const at = new Date('2026-03-01T12:00:00.000Z')

test.each<[string, Envelope]>([
  ['our own', ownEvents],
  ['CloudEvents', cloudEvents],
  ['CloudEvents, binary', cloudEventsBinary],
  ['CloudEvents, binary on AMQP', cloudEventsBinaryAmqp],
  ['NestJS', nestPackets],
  ['MassTransit', massTransit],
  ['Celery', celeryTasks],
  ['Watermill', watermill],
  ['FastStream', fastStream({ header: 'event' })],
])('in the envelope of %s an event comes to its handler as it was published, beside messages of others', async (_, envelope) => {
  const messaging = onMemory()
  const [data, schema] = envelope === celeryTasks ? [{ args: [1] as [number], kwargs: { at } }, Task] : [{ id: 1, at }, Order]
  const Placed = defineEvent('order.placed', schema as typeof Order, { topic: 'shop', ...envelope })
  const seen: unknown[] = []
  messaging.on(Placed, { group: 'g' }, (event, { id }) => void seen.push([event.name, event.data, id]))
  await messaging.start()
  const { send } = messaging.getProducer()
  await send('shop', new TextEncoder().encode('no JSON'))
  await send('shop', { other: 1 })
  await messaging.publishEvent(Placed, data as never, { id: '0190f7c2-0000-7000-8000-000000000001' })
  await until(
    () => messaging.counters.handled === 1 && messaging.counters.skipped === 2,
    () => messaging.counters,
  )
  expect(seen).toEqual([['order.placed', data, '0190f7c2-0000-7000-8000-000000000001']])
  expect(messaging.counters.dead).toBe(0)
})
