import { randomUUID } from 'node:crypto'
import { createMessaging, type Messaging } from '@corebus/core'
import pino from 'pino'
import type { Contestant } from '../measure.ts'
import { Order, order } from '../payload.ts'
import type { Load, PublishLoad } from './bare.ts'
import { Handled, publishAll } from './load.ts'
import { mustHold, onChannel } from './room.ts'

export const GROUP = 'bench'

export const messaging = (url: string): Messaging =>
  createMessaging({ broker: 'rabbitmq', url, service: 'bench', logger: pino({ level: 'silent' }), env: {} })

export async function using<T>(app: Messaging, work: (app: Messaging) => Promise<T>): Promise<T> {
  try {
    return await work(app)
  } finally {
    await app.close()
  }
}

const workQueue = (topic: string): string => `${topic}:${GROUP}`

/** A topic with a group that reads it, and nobody there at the moment; its queues are deleted when `work` is over. */
export async function inTopic<T>(url: string, work: (topic: string) => Promise<T>, leftOver = 0): Promise<T> {
  const topic = `bench-${randomUUID()}`
  await using(messaging(url), async (app) => {
    app.handle({ topic, group: GROUP }, () => {})
    await app.start()
  })
  try {
    const result = await work(topic)
    await mustHold(url, workQueue(topic), leftOver)
    return result
  } finally {
    await onChannel(url, async (channel) => {
      for (const queue of [workQueue(topic), `${topic}.unclaimed`]) await channel.deleteQueue(queue)
    })
  }
}

export function publishing({ url, bytes, count, inFlight }: PublishLoad): Contestant {
  return {
    name: 'corebus',
    run: () =>
      inTopic(
        url,
        (topic) =>
          using(messaging(url), async (app) => {
            const driver = await app.driver()
            await driver.ensure({ topics: [topic], groups: [] }, 'create')
            const producer = app.getProducer()
            return publishAll(count, inFlight, (n) => producer.send(topic, order(bytes, n)))
          }),
        count,
      ),
  }
}

export async function preloadTopic(url: string, topic: string, bytes: number, count: number): Promise<void> {
  await using(messaging(url), async (app) => {
    const producer = app.getProducer()
    await publishAll(count, 256, (n) => producer.send(topic, order(bytes, n)))
  })
  await mustHold(url, workQueue(topic), count)
}

/** The whole runtime, with everything as it is by default. */
export function consuming({ url, bytes, count }: Load): Contestant {
  return {
    name: 'corebus',
    run: () =>
      inTopic(url, async (topic) => {
        await preloadTopic(url, topic, bytes, count)
        const handled = new Handled(count)
        return using(messaging(url), async (app) => {
          app.handle({ topic, group: GROUP, schema: Order }, ({ total }) => {
            if (total > 0) handled.one()
          })
          await app.start()
          return handled.all
        })
      }),
  }
}
