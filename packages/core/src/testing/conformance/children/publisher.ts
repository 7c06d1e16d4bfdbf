// Publishes without end, ten at a time, and says what was confirmed.

import { createMessaging } from '../../../messaging.ts'
import { messages } from '../room.ts'
import { readOrders, say } from './protocol.ts'

const { broker, url, topic } = readOrders()
const driver = await createMessaging({ broker, url, service: 'conformance' }).driver()
say({ kind: 'ready' })
for (;;) {
  const batch = messages(topic, { count: 10, keys: 5 })
  await driver.publish(batch)
  say({ kind: 'confirmed', ids: batch.map(({ id }) => id) })
}
