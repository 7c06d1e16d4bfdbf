import { setTimeout as sleep } from 'node:timers/promises'
import { createMessaging } from '@corebus/core'
import { migrate, sqlOutbox } from '@corebus/sql'
import pino from 'pino'
import { quantile } from '../measure.ts'
import { business, type Place } from './places.ts'

const logger = pino({ level: 'silent' })
const PAUSE_MS = 15
const WARM = 20

export interface Wait {
  readonly name: string
  readonly p50: number
  readonly p99: number
}

export interface LatencyOptions {
  readonly place: Place
  /** Where the broker is, as the environment says it. */
  readonly env: Readonly<Record<string, string>>
  readonly broker: string
  /** The relay is told by the instance that commits, or by NOTIFY, as one in another process would be. */
  readonly told: 'in the process' | 'by NOTIFY'
  readonly messages: number
}

/** From the commit of a session to the call of its event's handler, one at a time, in ms. */
export async function commitToHandler({ place, env, broker, told, messages }: LatencyOptions): Promise<Wait> {
  const outbox = sqlOutbox({ relay: told === 'in the process' })
  const options = { service: 'bench', logger, env: { ...env, MESSAGING_BROKER: broker } }
  await business(place)
  await migrate(place.session, [outbox])
  const topic = `latency-${process.pid}-${Date.now()}`
  const called = new Map<number, () => void>()
  const consumer = createMessaging(options)
  consumer.on('order.placed', { topic, group: 'latency' }, ({ data }) => called.get((data as { n: number }).n)?.())
  await consumer.start()
  const relay = createMessaging({ ...options, outbox: sqlOutbox({ database: place.session }) })
  if (told === 'by NOTIFY') relay.begin()
  const producer = createMessaging({ ...options, session: place.session, outbox })
  const waits: number[] = []
  for (let n = 0; n < messages + WARM; n++) {
    const handled = Promise.withResolvers<number>()
    called.set(n, () => handled.resolve(performance.now()))
    await producer.session(async (db) => {
      await place.insert(db, n)
      producer.emit('order.placed', { n }, { topic })
    })
    const committed = performance.now()
    const ms = (await handled.promise) - committed
    if (n >= WARM) waits.push(ms)
    called.delete(n)
    await sleep(PAUSE_MS)
  }
  for (const one of [producer, relay, consumer]) await one.close()
  return { name: `${place.name}, ${broker}, told ${told}`, p50: quantile(waits, 0.5), p99: quantile(waits, 0.99) }
}
