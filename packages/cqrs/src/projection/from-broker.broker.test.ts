import { DatabaseSync } from 'node:sqlite'
import { createMessaging, defineEvent } from '@corebus/core'
import { migrate, sqlInbox, sqliteSession } from '@corebus/sql'
import { startKafka, startRabbitmq, startRedis } from '@corebus/testbed'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { collection } from '../documents/collection.ts'
import { projection } from './projection.ts'
import { projections } from './projections.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })
const WAIT = { timeout: 60_000, interval: 100 }
const BEFORE = 120

const [rabbitmq, kafka, redis] = await Promise.all([startRabbitmq(), startKafka(), startRedis()])
afterAll(async () => void (await Promise.all([rabbitmq?.stop(), kafka?.stop(), redis?.stop()])))

/** Another service has handled events before the projection was there; the projection's own consumer handles those that come now. */
async function shop(broker: 'rabbitmq' | 'kafka' | 'redis', url: string) {
  const topic = `orders-${process.pid}`
  const Placed = defineEvent('order.placed', z.object({ id: z.number(), total: z.number() }), { topic, key: 'id' })
  const database = new DatabaseSync(':memory:')
  const session = sqliteSession(database)
  const inbox = sqlInbox()
  const other = createMessaging({ broker, url, service: `other-${process.pid}`, env: {}, logLevel: 'silent' })
  const messaging = createMessaging({ broker, url, service: `views-${process.pid}`, env: {}, session, inbox, logLevel: 'silent' })
  onTestFinished(async () => {
    await Promise.all([other.close(), messaging.close()])
    database.close()
  })
  let handled = 0
  other.on(Placed, {}, () => void handled++)
  await other.start()
  const publish = (from: number, to: number) =>
    Promise.all(Array.from({ length: to - from }, (_, n) => other.publishEvent(Placed, { id: from + n, total: 1 })))
  await publish(0, BEFORE)
  await vi.waitFor(() => expect(handled).toBe(BEFORE), WAIT)

  const placed = projection(`placed-${process.pid}`, {
    events: [Placed],
    collections: { placed: collection<{ total: number }>() },
    handle: ({ data: { id, total } }, { docs }) => docs.placed.merge(id, { total }, { revision: 1 }),
  })
  const views = projections(messaging, [placed])
  await migrate(session, [inbox, views.feature])
  const seen = async () => (await views.of(placed).placed.find({ limit: 1_000 })).items.length
  return { messaging, views, placed, publish, seen }
}

describe.each([
  ['kafka', kafka?.url],
  ['redis', redis?.url],
] as const)('on %s', (broker, url) => {
  test.skipIf(!url)('a new projection is filled from what the broker keeps, while events arrive, and once', async () => {
    const { messaging, views, placed, publish, seen } = await shop(broker, url!)
    await messaging.start()
    const arriving = publish(BEFORE, BEFORE + 30)
    await views.rebuild(placed.name, { from: 'broker' })
    await arriving
    await vi.waitFor(async () => expect(await seen()).toBe(BEFORE + 30), WAIT)
    // The group that has read is gone, and another time finds nothing new.
    const driver = await messaging.driver()
    const [{ groups = [] } = {}] = await driver.admin.topics([placed.events[0]?.topic ?? ''])
    expect(groups.filter((group) => group.endsWith('.rebuild'))).toEqual([])
    expect(await views.rebuild(placed.name, { from: 'broker' })).toMatchObject({ events: BEFORE + 30 })
    expect(await seen()).toBe(BEFORE + 30)
  })
})

test.skipIf(!rabbitmq)('RabbitMQ keeps nothing, and says so', async () => {
  const { views, placed } = await shop('rabbitmq', rabbitmq!.url)
  await expect(views.rebuild(placed.name, { from: 'broker' })).rejects.toMatchObject({
    code: 'REBUILD_SOURCE',
    message: expect.stringMatching(/keeps nothing/),
  })
})
