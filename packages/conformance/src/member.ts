// A member of a group, at the driver: says what it gets, and holds, acknowledges or retries it.

import { createMessaging } from '@corebus/core'
import type { Delivery, Message, Settlement } from '@corebus/core/driver'
import { block, HEADER, monotonicMs, numberIn, onCommand, pause, placeIn, readOrders, say } from '@corebus/core/testing/conformance/process'

const RETRY_MS = 1_000

const orders = readOrders()
const { topic, group = 'g', limit = 100, does = 'hold', tookMs = 0 } = orders
const messaging = createMessaging({ ...placeIn(orders), service: 'conformance' })
const lanes = new Map<string, Promise<void>>()

const driver = await messaging.driver()
await driver.ensure({ topics: [topic], groups: [{ group, topic, delays: [{ afterMs: RETRY_MS, jitter: 0 }], deadLetter: {} }] }, 'create')
const subscribing = driver.subscribe({
  topics: [topic],
  group,
  from: 'earliest',
  exclusive: false,
  limit,
  onLost: () => {},
  onState: () => {},
  onDeliveries(deliveries) {
    for (const { message, unsettledBefore } of deliveries)
      say({ kind: 'delivered', ...named(message), unsettledBefore, attempt: attemptOf(message) })
    if (does !== 'hold') for (const delivery of deliveries) settleInTurn(delivery)
  },
})

/** One after another per key, as the core's lanes would. */
function settleInTurn(delivery: Delivery): void {
  const lane = delivery.message.key ?? delivery.message.id
  const before = lanes.get(lane) ?? Promise.resolve()
  lanes.set(
    lane,
    before.then(() => settleOne(delivery)),
  )
}

async function settleOne(delivery: Delivery): Promise<void> {
  const { message } = delivery
  const subscription = await subscribing
  const startedAtMs = monotonicMs()
  if (tookMs > 0) await pause(tookMs)
  const endedAtMs = monotonicMs()
  say({ kind: 'started', ...named(message), attempt: attemptOf(message) })
  await subscription.settle([settlementOf(delivery)])
  say({ kind: 'settled', ...named(message), startedAtMs, endedAtMs })
}

function settlementOf(delivery: Delivery): Settlement {
  if (does !== 'retry') return { kind: 'ack', delivery }
  return { kind: 'retry', delivery, headers: { [HEADER.attempt]: String(attemptOf(delivery.message) + 1) }, afterMs: RETRY_MS }
}

function attemptOf({ headers }: Message): number {
  return Number(headers[HEADER.attempt] ?? 1)
}

function named(message: Message): { id: string; n: number; key?: string } {
  const { id, key } = message
  return { id, n: numberIn(message), ...(key !== undefined && { key }) }
}

onCommand((command) => {
  switch (command.do) {
    case 'block':
      return block(command.forMs)
    case 'close':
      messaging.close().then(() => {
        say({ kind: 'closed' })
        process.exit(0)
      }, report)
  }
})

function report(error: unknown): void {
  console.error(error)
  process.exit(1)
}

await subscribing
say({ kind: 'ready' })
