// #region all
import { configureMessaging, messageHandler } from '@corebus/core'
import { Charge, UserCreated } from './events.ts'

export const messaging = configureMessaging<{ db: Map<number, string> }>({ service: 'orders-api', session: (work) => work(emails) })
const emails = new Map<number, string>()

messaging.on(UserCreated, { group: 'order-service' }, async ({ data }, { db }) => {
  db.set(data.id, data.email)
})

messaging.handle({ topic: ['orders.created', 'orders.updated'], group: 'inventory' }, async (message, { topic, logger }) => {
  logger.info({ order: message.order_id }, `an order changed, told on ${topic}`)
})

messageHandler(
  { topic: 'payments.process', schema: Charge, session: false, maxRetries: 3, retryDelayMs: 5_000 },
  async (charge, { signal }) => {
    await fetch('https://gateway.example/charge', { method: 'POST', body: JSON.stringify(charge), signal })
  },
)

// #endregion all
export { emails }
