import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { createMessaging, type Driver, type Message, type Subscription } from '@corebus/core'
import pino from 'pino'
import { BareSqlite } from './bare-sqlite.ts'
import { inFolder } from './folder.ts'
import type { Comparison, Contestant } from './measure.ts'
import { order } from './payload.ts'

const logger = pino({ level: 'silent' })
const IN_FLIGHT = 256
const BATCH = 100

const messaging = (folder: string) =>
  createMessaging({
    broker: 'sqlite',
    url: join(folder, 'messages.db'),
    service: 'bench',
    logger,
    env: {},
    publish: { maxPending: 1_000_000 },
  })

function messagesOf(bytes: number, count: number): Message[] {
  return Array.from({ length: count }, (_, n) => ({
    id: randomUUID(),
    topic: 'orders',
    key: String(n % 1_000),
    headers: { 'content-type': 'application/json', 'corebus-correlation': randomUUID() },
    body: new TextEncoder().encode(JSON.stringify(order(bytes, n))),
  }))
}

/** Registers groups without handling anything, so that there is somebody to keep messages for. */
async function joinGroups(driver: Driver, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const subscription = await driver.subscribe({
      topics: ['orders'],
      group: `group-${i}`,
      from: 'earliest',
      exclusive: false,
      limit: 0,
      onDeliveries: () => {},
      onLost: () => {},
      onState: () => {},
    })
    await subscription.stop()
  }
}

function publishing(name: string, bytes: number, count: number, groups: number): Contestant {
  return {
    name,
    run: () =>
      inFolder(async (folder) => {
        const app = messaging(folder)
        const driver = await app.driver()
        await driver.ensure({ topics: ['orders'], groups: [] }, 'create')
        await joinGroups(driver, groups)
        const producer = app.getProducer()
        let next = 0
        const sender = async (): Promise<void> => {
          while (next < count) {
            const n = next++
            await producer.send('orders', order(bytes, n), { key: n % 1_000 })
          }
        }
        const startedAt = performance.now()
        await Promise.all(Array.from({ length: IN_FLIGHT }, sender))
        const ms = performance.now() - startedAt
        await app.close()
        return ms
      }),
  }
}

function barePublishing(bytes: number, count: number): Contestant {
  return {
    name: 'bare: inserts, 100 a transaction',
    run: () =>
      inFolder(async (folder) => {
        const bare = new BareSqlite(join(folder, 'bare.db'))
        const startedAt = performance.now()
        for (let i = 0; i < count; i += BATCH) {
          const rows = Array.from({ length: BATCH }, (_, n) => ({
            id: randomUUID(),
            key: String((i + n) % 1_000),
            headers: JSON.stringify({ 'content-type': 'application/json', 'corebus-correlation': randomUUID() }),
            body: new TextEncoder().encode(JSON.stringify(order(bytes, i + n))),
          }))
          bare.insert(rows)
        }
        const ms = performance.now() - startedAt
        bare.close()
        return ms
      }),
  }
}

export function publish(bytes: number, count: number): Comparison {
  return {
    name: `SQLite: publish, ${bytes} B, ${IN_FLIGHT} in flight`,
    messages: count,
    contestants: [
      publishing('corebus, 1 group', bytes, count, 1),
      publishing('corebus, 5 groups', bytes, count, 5),
      barePublishing(bytes, count),
    ],
    targets: [
      { ours: 'corebus, 1 group', other: 'bare: inserts, 100 a transaction', atLeast: 0.6 },
      { ours: 'corebus, 5 groups', other: 'corebus, 1 group', atLeast: 0.9 },
    ],
  }
}

/** Takes `count` messages in batches of up to 100 and settles each batch in one call. Returns the ms from subscribe to the last settlement. */
export async function consumeAll(driver: Driver, count: number, group = 'bench'): Promise<number> {
  let bytesSeen = 0
  let settled = 0
  const startedAt = performance.now()
  const subscription = await new Promise<Subscription>((resolve, reject) => {
    const subscribing = driver.subscribe({
      topics: ['orders'],
      group,
      from: 'earliest',
      exclusive: false,
      limit: BATCH,
      onDeliveries: (deliveries) => {
        for (const { message } of deliveries) bytesSeen += message.body.byteLength
        subscribing
          .then((subscription) => subscription.settle(deliveries.map((delivery) => ({ kind: 'ack' as const, delivery }))))
          .then(() => {
            settled += deliveries.length
            if (settled >= count) resolve(subscribing)
          }, reject)
      },
      onLost: () => {},
      onState: () => {},
    })
    subscribing.catch(reject)
  })
  const ms = performance.now() - startedAt
  // The next round reads with a subscription of its own: this one would take its messages.
  await subscription.stop()
  if (bytesSeen === 0) throw new Error('nothing was read')
  return ms
}

async function preload(driver: Driver, bytes: number, count: number): Promise<void> {
  await driver.ensure({ topics: ['orders'], groups: [] }, 'create')
  await joinGroups(driver, 1)
  const batch = messagesOf(bytes, 1_000)
  for (let i = 0; i < count; i += 1_000) await driver.publish(batch)
}

export function consume(bytes: number, count: number): Comparison {
  return {
    name: `SQLite: consume and acknowledge, ${bytes} B, batches of ${BATCH}`,
    messages: count,
    contestants: [
      {
        name: 'corebus driver',
        run: () =>
          inFolder(async (folder) => {
            const app = messaging(folder)
            const driver = await app.driver()
            await preload(driver, bytes, count)
            const ms = await consumeAll(driver, count)
            await app.close()
            return ms
          }),
      },
      {
        name: 'bare: claim 100, delete 100',
        run: () =>
          inFolder(async (folder) => {
            const bare = new BareSqlite(join(folder, 'bare.db'))
            const rows = messagesOf(bytes, 1_000).map(({ id, key, headers, body }) => ({
              id,
              key: key ?? '',
              headers: JSON.stringify(headers),
              body,
            }))
            for (let i = 0; i < count; i += 1_000) bare.insert(rows)
            let bytesSeen = 0
            const startedAt = performance.now()
            const consumed = bare.consume(({ headers, body }) => {
              JSON.parse(headers)
              bytesSeen += body.byteLength
            })
            const ms = performance.now() - startedAt
            bare.close()
            if (consumed !== count || bytesSeen === 0) throw new Error(`bare consumed ${consumed} of ${count}`)
            return ms
          }),
      },
    ],
    targets: [{ ours: 'corebus driver', other: 'bare: claim 100, delete 100', atLeast: 0.7 }],
  }
}

/** The same 20,000 messages, read from the front of a backlog of a thousand (twenty times) and of a million. */
export function backlog(bytes: number): Comparison {
  const read = 20_000
  const from = (waiting: number): Contestant => ({
    name: `backlog of ${waiting.toLocaleString('en')}`,
    run: () =>
      inFolder(async (folder) => {
        const app = messaging(folder)
        const driver = await app.driver()
        let ms = 0
        for (let done = 0; done < read; done += Math.min(waiting, read)) {
          await preload(driver, bytes, waiting)
          ms += await consumeAll(driver, Math.min(waiting, read))
        }
        await app.close()
        return ms
      }),
  })
  return {
    name: `SQLite: cost by backlog, ${bytes} B`,
    messages: read,
    contestants: [from(1_000), from(1_000_000)],
    targets: [{ ours: 'backlog of 1,000,000', other: 'backlog of 1,000', atLeast: 1 / 1.1 }],
  }
}
