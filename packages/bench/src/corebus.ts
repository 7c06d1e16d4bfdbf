import { randomUUID } from 'node:crypto'
import { createMessaging, type Messaging } from '@corebus/core'
import pino from 'pino'
import { Handled, type Load, type PublishLoad, publishAll } from './load.ts'
import type { Contestant } from './measure.ts'
import { Order, order } from './payload.ts'

export const GROUP = 'bench'

/** Where Corebus works on one broker. */
export interface Room {
  readonly broker: 'rabbitmq' | 'kafka' | 'redis'
  readonly url: string
  /** Whether messages are spread by a key: what the others do there. */
  readonly keyed: boolean
  /** A topic of its own that `GROUP` reads, deleted when `work` is over. @throws when the group does not have so many left to settle then. */
  inTopic<T>(work: (topic: string) => Promise<T>, leftOver?: number): Promise<T>
  /** @throws when the group does not have exactly so many to settle: something was lost, doubled or not acknowledged. */
  mustHold(topic: string, messages: number): Promise<void>
}

export const messaging = ({ broker, url }: Pick<Room, 'broker' | 'url'>): Messaging =>
  createMessaging({ broker, url, service: 'bench', logger: pino({ level: 'silent' }), env: {} })

export async function using<T>(app: Messaging, work: (app: Messaging) => Promise<T>): Promise<T> {
  try {
    return await work(app)
  } finally {
    await app.close()
  }
}

export interface RoomOptions extends Pick<Room, 'broker' | 'url' | 'mustHold'> {
  /** Deletes what there is of a topic. */
  readonly forget: (topic: string) => Promise<unknown>
}

/** Topics whose group is known and nobody there at the moment. */
export function roomWithGroup({ broker, url, mustHold, forget }: RoomOptions): Room {
  return {
    broker,
    url,
    mustHold,
    keyed: false,
    async inTopic(work, leftOver = 0) {
      const topic = `bench-${randomUUID()}`
      await using(messaging({ broker, url }), async (app) => {
        app.handle({ topic, group: GROUP }, () => {})
        await app.start()
      })
      try {
        const result = await work(topic)
        await mustHold(topic, leftOver)
        return result
      } finally {
        await forget(topic)
      }
    },
  }
}

async function publishOrders(room: Room, topic: string, { bytes, count, inFlight }: PublishLoad): Promise<number> {
  return using(messaging(room), async (app) => {
    const driver = await app.driver()
    await driver.ensure({ topics: [topic], groups: [] }, 'create')
    const producer = app.getProducer()
    return publishAll(count, inFlight, (n) => producer.send(topic, order(bytes, n), room.keyed ? { key: n } : {}))
  })
}

export function publishing(room: Room, load: PublishLoad): Contestant {
  return { name: 'corebus', run: () => room.inTopic((topic) => publishOrders(room, topic, load), load.count) }
}

export async function preloadTopic(room: Room, topic: string, load: Load): Promise<void> {
  await publishOrders(room, topic, { ...load, inFlight: 256 })
  await room.mustHold(topic, load.count)
}

/** The whole runtime, with everything as it is by default. */
export function consuming(room: Room, load: Load): Contestant {
  return {
    name: 'corebus',
    run: () =>
      room.inTopic(async (topic) => {
        await preloadTopic(room, topic, load)
        const handled = new Handled(load.count)
        return using(messaging(room), async (app) => {
          app.handle({ topic, group: GROUP, schema: Order }, ({ total }) => {
            if (total > 0) handled.one()
          })
          await app.start()
          return handled.all
        })
      }),
  }
}

/** Publisher and handler in one process, from the first call to the last message handled. */
export function through(room: Room, { bytes, count, inFlight }: PublishLoad): Contestant {
  return {
    name: 'corebus',
    run: () =>
      room.inTopic((topic) =>
        using(messaging(room), async (app) => {
          const handled = new Handled(count)
          app.handle({ topic, group: GROUP, schema: Order }, ({ total }) => {
            if (total > 0) handled.one()
          })
          await app.start()
          const producer = app.getProducer()
          const startedAt = performance.now()
          await publishAll(count, inFlight, (n) => producer.send(topic, order(bytes, n), room.keyed ? { key: n } : {}))
          await handled.all
          return performance.now() - startedAt
        }),
      ),
  }
}
