import { existsSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { consumer, type HandlerContext, messageHandler } from '@corebus/core'
import { ProcessPayment } from '../events.ts'

@consumer('payments')
export class Payments {
  @messageHandler({ topic: 'payments.process', schema: ProcessPayment, maxRetries: 2, retryDelayMs: 1_000 })
  charge({ order_id, amount }: ProcessPayment, { db, logger }: HandlerContext<DatabaseSync>): void {
    if (existsSync('gateway-closed')) throw new Error('the payment gateway is closed')
    db.prepare(`UPDATE orders SET status = 'paid' WHERE id = ?`).run(order_id)
    logger.info(`order ${order_id} is paid: ${amount}`)
  }
}
