// Publishes without end, ten at a time, and says what was confirmed.

import { createMessaging } from '@corebus/core'
import { messages, pause, placeIn, readOrders, say } from '@corebus/core/testing/conformance/process'

const orders = readOrders()
const { topic, tookMs = 0 } = orders
const driver = await createMessaging({ ...placeIn(orders), service: 'conformance' }).driver()
say({ kind: 'ready' })
for (;;) {
  const batch = messages(topic, { count: 10, keys: 10 })
  await driver.publish(batch)
  say({ kind: 'confirmed', ids: batch.map(({ id }) => id) })
  if (tookMs > 0) await pause(tookMs)
}
