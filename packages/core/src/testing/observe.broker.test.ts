import { broker } from '@corebus/testbed'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { configureMessaging } from '../default.ts'
import { defineEvent } from '../wire/event-type.ts'
import { newId } from '../wire/id.ts'
import { observe, testApp } from './index.ts'

const redis = await broker('redis')
afterAll(() => redis?.stop())

const Placed = defineEvent('order.placed', z.object({ id: z.number() }), { topic: `observe-${newId()}` })

test.skipIf(!redis)('the configured instance is looked at on Redis, and tested on memory after that', async () => {
  const messaging = configureMessaging({
    broker: 'redis',
    url: redis?.url ?? '',
    service: 'shop',
    logLevel: 'silent',
    maxRetries: 1,
    retryDelayMs: 100,
  })
  messaging.on(Placed, { group: 'bills' }, ({ data }) => {
    if (data.id < 0) throw new Error('a negative id')
  })
  const spy = await observe(messaging)
  onTestFinished(() => spy.close())
  await messaging.start()
  expect(messaging.settings.broker).toBe('redis')
  await messaging.publishEvent(Placed, { id: 1 })
  await messaging.publishEvent(Placed, { id: -1 })
  expect(await spy.published(Placed, { id: 1 })).toMatchObject({ topic: Placed.topic })
  expect(await spy.handled(Placed, { id: 1 })).toMatchObject({ group: 'bills', attempt: 1 })
  expect(await spy.deadLettered(Placed, { id: -1 }, { timeoutMs: 20_000 })).toMatchObject({
    attempts: 2,
    error: { message: 'a negative id' },
  })
  await expect(spy.handled(Placed, { id: 2 }, { timeoutMs: 10 })).rejects.toThrow(/dead letter +order\.placed by bills/)
  await messaging.close()

  await using app = await testApp()
  await app.publish(Placed, { id: 2 })
  await app.settled()
  expect([messaging.settings.broker, app.handled(Placed).length]).toEqual(['custom', 1])
})
