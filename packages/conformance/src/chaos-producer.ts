// A producer of the chaos run: publishes until it is told to close, each message until it is confirmed, as somebody with an outbox would.

import { subscribe } from 'node:diagnostics_channel'
import { CHANNEL, createMessaging, PublishError, type StateRecord } from '@corebus/core'
import { newId } from '@corebus/core/events'
import {
  ALWAYS,
  type ChaosProducerOrders,
  type Errand,
  giveUp,
  note,
  onCommand,
  PUBLISH_TIMEOUT_MS,
  pause,
  placeIn,
  randomOf,
  readOrders,
  say,
} from '@corebus/core/testing/conformance/process'

const BATCH = 5
const BATCHES_IN_FLIGHT = 4
const KEYS = 20
const MOST_FAILURES = 3
const TOOK_MS = 15
const SLOW_MS = 2_000
const AGAIN_MS = 50

interface Outgoing {
  readonly id: string
  readonly key?: string
  readonly message: Errand
}

const orders = readOrders<ChaosProducerOrders>()
const { topics, seed, sends, mix, pauseMs } = orders
const random = randomOf(seed)
const below = (n: number) => Math.floor(random() * n)

subscribe(CHANNEL.state, (record) => {
  // What the channel carries is ours; its type in Node is unknown.
  const { state, error } = record as StateRecord
  note({ what: 'state', of: 'connection', state, ...(error && { why: error.message }) })
})

const messaging = createMessaging({ ...placeIn(orders), service: 'conformance', publish: { timeoutMs: PUBLISH_TIMEOUT_MS } })
const producer = messaging.getProducer()
const inFlight = new Set<Promise<void>>()
let closing = false
let n = 0

function next(): Outgoing {
  // Half of them have a key, and keep its order.
  const key = random() < 0.5 ? `k${below(KEYS)}` : undefined
  return { id: newId(), message: errand(), ...(key !== undefined && { key }) }
}

function errand(): Errand {
  const plain = { n: n++, tookMs: below(TOOK_MS), fails: 0 }
  const { killing, hopeless, failing, slow } = mix
  const dice = random() * 100
  if (dice < killing) return { ...plain, kills: true }
  if (dice < killing + hopeless) return { ...plain, fails: ALWAYS }
  if (dice < killing + hopeless + failing) return { ...plain, fails: 1 + below(MOST_FAILURES) }
  return dice < killing + hopeless + failing + slow ? { ...plain, tookMs: below(SLOW_MS) } : plain
}

async function publish(batch: readonly Outgoing[]): Promise<void> {
  const topic = topics[n % topics.length] as string
  for (let left = batch; left.length > 0; ) {
    const ids = left.map(({ id }) => id)
    note({ what: 'sending', messages: left.map(({ id, message }) => ({ id, errand: message })) })
    try {
      const [first] = left
      if (sends === 'one' && first) {
        const { message, ...options } = first
        await producer.send(topic, message, options)
      } else await producer.sendAll(topic, left)
      note({ what: 'confirmed', ids })
      return
    } catch (error) {
      if (!(error instanceof PublishError)) throw error
      const failed = new Set(error.failures.map(({ id }) => id))
      note({ what: 'confirmed', ids: ids.filter((id) => !failed.has(id)) })
      note({ what: 'refused', ids: [...failed], why: error.failures[0]?.cause.message ?? '' })
      left = left.filter(({ id }) => failed.has(id))
      await pause(AGAIN_MS)
    }
  }
}

async function work(): Promise<void> {
  while (!closing) {
    if (sends === 'one') await publish([next()])
    else {
      if (inFlight.size >= BATCHES_IN_FLIGHT) await Promise.race(inFlight)
      const sent: Promise<void> = publish(Array.from({ length: BATCH }, next)).finally(() => inFlight.delete(sent))
      inFlight.add(sent)
    }
    await pause(pauseMs)
  }
  await Promise.all(inFlight)
  await messaging.close()
}

onCommand((command) => {
  if (command.do === 'close') closing = true
})

try {
  await messaging.driver()
  say({ kind: 'ready' })
  await work()
  say({ kind: 'closed' })
  process.exit(0)
} catch (error) {
  giveUp(error)
}
