import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createMessaging, type Messaging } from '@corebus/core'
import pino from 'pino'
import { inFolder } from './folder.ts'
import { quantile } from './measure.ts'

const PUBLISHES = 200
const IDLE_MS = 10_000
const HEAP_MESSAGES = 500_000

interface Told {
  readonly kind: string
  readonly latencyMs?: number
  readonly share?: number
  readonly handled?: number
  readonly bytes?: number
}

interface Place {
  readonly broker: 'sqlite' | 'rabbitmq' | 'kafka' | 'redis'
  readonly url: string
}

async function withConsumer<T>(
  { broker, url }: Place,
  work: (app: Messaging, child: ChildProcess, told: Told[]) => Promise<T>,
): Promise<T> {
  const told: Told[] = []
  const child = fork(join(import.meta.dirname, 'consumer-process.ts'), [broker, url], { execArgv: ['--expose-gc'] })
  child.on('message', (message) => told.push(message as Told))
  while (!told.some(({ kind }) => kind === 'ready')) await once(child, 'message')
  const app = createMessaging({
    broker,
    url,
    service: 'bench',
    logger: pino({ level: 'silent' }),
    env: {},
    publish: { maxPending: 100_000 },
  })
  try {
    return await work(app, child, told)
  } finally {
    await app.close()
    child.send({ kind: 'close' })
    await once(child, 'exit')
  }
}

const upTo = async (condition: () => boolean, ms: number): Promise<void> => {
  const until = performance.now() + ms
  while (!condition() && performance.now() < until) await sleep(20)
}

/** The same on an embedded file. */
export const inFile = (): Promise<object> => inFolder((folder) => latency({ broker: 'sqlite', url: join(folder, 'messages.db') }))

/** Single publishes to an idle consumer process, its CPU while idle, its heap after many messages. */
export async function latency(place: Place): Promise<object> {
  const idle = await withConsumer(place, async (app, child, told) => {
    for (let i = 0; i < PUBLISHES; i++) {
      await app.getProducer().send('latency', { at: performance.timeOrigin + performance.now() })
      await sleep(15 + (i % 10))
    }
    const latencies = () => told.flatMap(({ latencyMs }) => (latencyMs === undefined ? [] : [latencyMs]))
    await upTo(() => latencies().length >= PUBLISHES, 5_000)
    child.send({ kind: 'cpu', forMs: IDLE_MS })
    await upTo(() => told.some(({ kind }) => kind === 'cpu'), IDLE_MS + 5_000)
    const ms = latencies()
    return {
      published: PUBLISHES,
      arrived: ms.length,
      p50Ms: quantile(ms, 0.5),
      p99Ms: quantile(ms, 0.99),
      maxMs: Math.max(...ms),
      idleCpu: told.find(({ kind }) => kind === 'cpu')?.share,
    }
  })
  const heap = await withConsumer(place, async (app, _child, told) => {
    const batch = Array.from({ length: 1_000 }, (_, n) => ({ message: { n, note: 'x'.repeat(180) }, key: n }))
    for (let i = 0; i < HEAP_MESSAGES; i += 1_000) await app.getProducer().sendAll('heap', batch)
    await upTo(() => told.filter(({ kind }) => kind === 'heap').length === 2, 120_000)
    const [at100k, at500k] = told.filter(({ kind }) => kind === 'heap').map(({ bytes }) => bytes ?? 0)
    return { at100k, at500k, growth: at100k && at500k ? at500k / at100k - 1 : undefined }
  })
  return { idle, heap }
}
