// A consumer service of the chaos run: one handler at the messaging instance, and a note of everything that happens to a message.

import { subscribe } from 'node:diagnostics_channel'
import { CHANNEL, createMessaging, type DeliverRecord, exponential, type SettleRecord, type StateRecord } from '@corebus/core'
import {
  type ChaosMemberOrders,
  codeOf,
  type Errand,
  FIRST_RETRY_MS,
  giveUp,
  LONGEST_RETRY_MS,
  MAX_RETRIES,
  note,
  onCommand,
  PUBLISH_TIMEOUT_MS,
  pause,
  placeIn,
  readOrders,
  say,
} from '@corebus/core/testing/conformance/process'
import * as doom from './doom.ts'

const CONCURRENCY = 5

const orders = readOrders<ChaosMemberOrders>()
const { topic } = orders

// What these channels carry is ours; their type in Node is unknown.
subscribe(CHANNEL.deliver, (record) => {
  const { id, unsettledBefore } = record as DeliverRecord
  note({ what: 'delivered', id, unsettledBefore })
})
subscribe(CHANNEL.settle, (record) => {
  const { id, settlement, afterMs } = record as SettleRecord
  note({ what: 'settled', id, how: settlement, ...(afterMs !== undefined && { afterMs }) })
})
subscribe(CHANNEL.state, (record) => {
  const { state, group, error } = record as StateRecord
  note({
    what: 'state',
    of: group === undefined ? 'connection' : 'group',
    state,
    ...(error && { why: error.message, code: codeOf(error) }),
  })
})

const messaging = createMessaging({ ...placeIn(orders), service: 'conformance', publish: { timeoutMs: PUBLISH_TIMEOUT_MS } })
const options = {
  topic,
  group: 'g',
  concurrency: CONCURRENCY,
  maxRetries: MAX_RETRIES,
  backoff: exponential({ firstMs: FIRST_RETRY_MS, maxMs: LONGEST_RETRY_MS, jitter: 0 }),
}
messaging.handle(options, async ({ tookMs, fails, kills }: Errand, { id, attempt }) => {
  note({ what: 'called', id, attempt })
  if (kills) process.kill(process.pid, 'SIGKILL')
  doom.reach('called')
  if (tookMs > 0) await pause(tookMs)
  if (attempt <= fails) {
    note({ what: 'threw', id, attempt })
    doom.reach('threw')
    throw new Error(`no, ${attempt} of ${fails}`)
  }
  note({ what: 'done', id, attempt })
  doom.reach('done')
})

let closing = false
onCommand((command) => {
  if (command.do === 'die') doom.expect(command)
  if (command.do !== 'close') return
  closing = true
  messaging.close().then(() => {
    say({ kind: 'closed' })
    process.exit(0)
  }, giveUp)
})

try {
  await messaging.start()
  say({ kind: 'ready' })
} catch (error) {
  // It may be told to close before it has started: then start says so, and close goes on.
  if (!closing) giveUp(error)
}
