import { existsSync } from 'node:fs'
import { ProcessPayment } from '../events.ts'
import { messaging } from './messaging.ts'

const options = {
  topic: 'payments.process',
  group: 'payments',
  schema: ProcessPayment,
  session: 'manual',
  maxRetries: 2,
  retryDelayMs: 1_000,
} as const

messaging.handle(options, async ({ order_id, amount }, { session, logger }) => {
  if (existsSync('gateway-closed')) throw new Error('the payment gateway is closed')
  await session(async (db) => {
    db.prepare(`UPDATE orders SET status = 'paid' WHERE id = ?`).run(order_id)
  })
  logger.info(`order ${order_id} is paid: ${amount}`)
})
