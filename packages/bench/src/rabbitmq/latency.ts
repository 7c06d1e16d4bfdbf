import { setTimeout as sleep } from 'node:timers/promises'
import { median, quantile } from '../measure.ts'
import { order } from '../payload.ts'
import { sender } from './bare.ts'
import { GROUP, inTopic, messaging, using } from './corebus.ts'
import { inQueue, onChannel } from './room.ts'

const EVERY_MS = 10
const PUBLISHES = 300
const ROUNDS = 5
const BYTES = 200
const MOST_TIMES_BARE = 1.5

interface Latencies {
  readonly p50Ms: number
  readonly p99Ms: number
}

/** From publish to handler, a hundred a second, ours and bare in turn; medians of five rounds after one that warms up. */
export async function latency(url: string): Promise<object> {
  const ours: Latencies[] = []
  const bare: Latencies[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const [one, other] = [await corebus(url), await byHand(url)]
    if (round > 0) ours.push(one)
    if (round > 0) bare.push(other)
  }
  const middle = (rounds: readonly Latencies[]) => ({
    p50Ms: median(rounds.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(rounds.map(({ p99Ms }) => p99Ms)),
  })
  const [corebusMs, bareMs] = [middle(ours), middle(bare)]
  const times = { p50: corebusMs.p50Ms / bareMs.p50Ms, p99: corebusMs.p99Ms / bareMs.p99Ms }
  return { corebus: corebusMs, bare: bareMs, times, atMost: MOST_TIMES_BARE }
}

async function measure(publish: (message: object) => Promise<void>, latencies: readonly number[]): Promise<Latencies> {
  for (let n = 0; n < PUBLISHES; n++) {
    await Promise.all([publish({ ...order(BYTES, n), at: performance.now() }), sleep(EVERY_MS)])
  }
  while (latencies.length < PUBLISHES) await sleep(EVERY_MS)
  return { p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) }
}

function corebus(url: string): Promise<Latencies> {
  return inTopic(url, (topic) =>
    using(messaging(url), async (app) => {
      const latencies: number[] = []
      app.handle({ topic, group: GROUP }, ({ at }: { at: number }) => latencies.push(performance.now() - at))
      await app.start()
      return measure((message) => app.getProducer().send(topic, message), latencies)
    }),
  )
}

/** On two connections, as ours. */
function byHand(url: string): Promise<Latencies> {
  return inQueue(url, (queue) =>
    onChannel(url, (publishing) =>
      onChannel(url, async (consuming) => {
        const latencies: number[] = []
        await consuming.prefetch(200)
        await consuming.consume(queue, (message) => {
          if (!message) throw new Error('the consumer was cancelled')
          const { at } = JSON.parse(message.content.toString()) as { at: number }
          latencies.push(performance.now() - at)
          consuming.ack(message)
        })
        const send = sender(publishing, '', queue, false)
        const measured = await measure((message) => send(Buffer.from(JSON.stringify(message))), latencies)
        await consuming.close()
        return measured
      }),
    ),
  )
}
