import { setTimeout as sleep } from 'node:timers/promises'
import { GROUP, messaging, type Room, using } from './corebus.ts'
import { median, quantile } from './measure.ts'
import { order } from './payload.ts'

const EVERY_MS = 10
const PUBLISHES = 300
const ROUNDS = 5
const BYTES = 200
const MOST_TIMES_BARE = 1.5

export interface Latencies {
  readonly p50Ms: number
  readonly p99Ms: number
}

/** What is published a hundred times a second: when, beside an order. */
export interface Timed {
  readonly at: number
}

/** From publish to handler, a hundred a second, ours and bare in turn; medians of five rounds after one that warms up. */
export async function besideBare(room: Room, byHand: () => Promise<Latencies>): Promise<object> {
  const ours: Latencies[] = []
  const bare: Latencies[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const [one, other] = [await corebus(room), await byHand()]
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

/** `latencies` is filled by whoever handles what `publish` sends. */
export async function paced(publish: (message: Timed, n: number) => Promise<unknown>, latencies: readonly number[]): Promise<Latencies> {
  for (let n = 0; n < PUBLISHES; n++) {
    await Promise.all([publish({ ...order(BYTES, n), at: performance.now() }, n), sleep(EVERY_MS)])
  }
  while (latencies.length < PUBLISHES) await sleep(EVERY_MS)
  return { p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) }
}

function corebus(room: Room): Promise<Latencies> {
  return room.inTopic((topic) =>
    using(messaging(room), async (app) => {
      const latencies: number[] = []
      app.handle({ topic, group: GROUP }, ({ at }: Timed) => latencies.push(performance.now() - at))
      await app.start()
      return paced((message, n) => app.getProducer().send(topic, message, room.keyed ? { key: n } : {}), latencies)
    }),
  )
}
