import { existsSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { consumer, type HandlerContext, messageHandler } from '@corebus/core'
import { ProcessPayment } from '../events.ts'

@consumer('payments')
export class Payments {
  @messageHandler({ topic: 'payments.process', schema: ProcessPayment, session: 'manual', maxRetries: 2, retryDelayMs: 1_000 })
  async charge({ order_id, amount }: ProcessPayment, { session, logger }: HandlerContext<DatabaseSync>): Promise<void> {
    if (existsSync('gateway-closed')) throw new Error('the payment gateway is closed')
    await session(async (db) => {
      db.prepare(`UPDATE orders SET status = 'paid' WHERE id = ?`).run(order_id)
    })
    logger.info(`order ${order_id} is paid: ${amount}`)
  }
}
