import { createMessaging, defineEvent, type Messaging } from '@corebus/core'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { billing, configured, fromOthers, fromStream, named, namedInHeaders, OrderPlaced, toOthers } from './envelopes.ts'

let made = 0
function onMemory(options: object = {}): Messaging {
  const messaging = createMessaging({
    broker: 'memory',
    url: `memory://envelopes-${++made}`,
    service: 's',
    logLevel: 'silent',
    env: {},
    ...options,
  })
  onTestFinished(() => messaging.close())
  return messaging
}

test('packets of NestJS come to the handlers of their events, and what is none is skipped', async () => {
  const messaging = onMemory()
  const seen: string[] = []
  billing(messaging, seen)
  await messaging.start()
  const { send } = messaging.getProducer()
  await send('shop', { pattern: 'order.placed', data: { id: 7, total: 9.5 } })
  await send('shop', { pattern: 'order.shipped', data: { id: 7 } })
  await send('shop', { pattern: 'user.created', data: {} })
  await send('shop', { something: 'else' })
  await messaging.publishEvent(OrderPlaced, { id: 8, total: 1 })
  await expect.poll(() => seen.toSorted()).toEqual(['bill 1 for order 8', 'bill 9.5 for order 7', 'order 7 has left'])
  await expect.poll(() => messaging.counters.skipped).toBe(2)
  expect(messaging.counters.dead).toBe(0)
})

test('an envelope of one’s own takes an event there and back', async () => {
  const messaging = onMemory()
  const seen: unknown[] = []
  const Placed = defineEvent('order.placed', z.object({ id: z.number() }), { topic: 'shop', ...namedInHeaders })
  messaging.on(Placed, {}, ({ data }, { id, headers }) => void seen.push([data, id, headers['x-event']]))
  await messaging.start()
  await messaging.publishEvent(Placed, { id: 1 }, { id: 'a' })
  await expect.poll(() => seen).toEqual([[{ id: 1 }, 'a', 'order.placed']])
})

test('sources and targets are the topic’s own log on the memory broker, so that all of this runs in tests', async () => {
  const messaging = onMemory()
  const seen: unknown[] = []
  fromOthers(messaging, seen)
  await messaging.start()
  await messaging.getProducer().send('billing', { id: 1, total: 1 })
  await toOthers(messaging)
  await expect.poll(() => seen).toHaveLength(3)
  const streaming = onMemory()
  fromStream(streaming, seen)
  await expect(streaming.start()).resolves.toBe(undefined)
})

test('what is configured for the app, for topics and for brokers is accepted', async () => {
  for (const make of [configured, named]) {
    const messaging = make()
    await messaging.close()
    expect(messaging.settings.service).toBe('billing')
  }
})
