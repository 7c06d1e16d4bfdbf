// Publishes without end, ten at a time, and says what was confirmed.

import { createMessaging } from '../../../messaging.ts'
import { messages } from '../room.ts'
import { pause, readOrders, say } from './protocol.ts'

const { broker, url, topic, tookMs = 0 } = readOrders()
const driver = await createMessaging({ broker, url, service: 'conformance' }).driver()
say({ kind: 'ready' })
for (;;) {
  const batch = messages(topic, { count: 10, keys: 10 })
  await driver.publish(batch)
  say({ kind: 'confirmed', ids: batch.map(({ id }) => id) })
  if (tookMs > 0) await pause(tookMs)
}
