// Publishes and handles in one process, so that it does for the memory broker too, and says how large its heap is.

import { createMessaging } from '@corebus/core'
import { pause, placeIn, readOrders, say } from '@corebus/core/testing/conformance/process'

const BATCH = 500
/** So many may wait before the next are published. */
const WAITING = 2_000

const orders = readOrders()
const { topic, measureAt = [] } = orders
const messaging = createMessaging({ ...placeIn(orders), service: 'conformance' })
let handled = 0
messaging.handle({ topic, group: 'g' }, async () => {
  handled++
})
await messaging.start()
const { admin } = await messaging.driver()
const producer = messaging.getProducer()
let published = 0
for (const count of measureAt) {
  while (published < count) {
    await producer.sendAll(
      topic,
      Array.from({ length: BATCH }, (_, i) => ({ message: { n: published + i, text: 'x'.repeat(150) }, key: i })),
    )
    published += BATCH
    while (published - handled > WAITING) await pause(1)
  }
  for (let depth = await admin.depth(topic, 'g'); depth.ready + (depth.inFlight ?? 0) > 0; depth = await admin.depth(topic, 'g'))
    await pause(10)
  say({ kind: 'heap', handled, bytes: await settledHeap() })
}
/** The least of several: code and buffers that are no longer used go only with a later collection. */
async function settledHeap(): Promise<number> {
  const bytes: number[] = []
  for (let i = 0; i < 10; i++) {
    await pause(100)
    globalThis.gc?.()
    bytes.push(process.memoryUsage().heapUsed)
  }
  return Math.min(...bytes)
}

await messaging.close()
process.exit(0)
