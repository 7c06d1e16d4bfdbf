import type { DatabaseSync } from 'node:sqlite'
import { consumer, emit, exponential, type HandlerContext, messageHandler } from '@corebus/core'
import { PaymentCompleted, ProcessPayment } from '@two-apis/events'
import { database } from '../database.ts'
import { isPaid, keepPayment } from '../orders.ts'
import { gatewayAvailable, PaymentGateway } from '../payment-gateway.ts'

/** 2, 4 and 8 s; the demo has less time. */
const firstMs = Number(process.env.PAYMENT_RETRY_FIRST_MS ?? 2_000)

@consumer('payments')
export class Payments {
  readonly #gateway: PaymentGateway

  constructor(gateway = new PaymentGateway({ isAvailable: () => gatewayAvailable(database) })) {
    this.#gateway = gateway
  }

  /** The message may come again after its commit: then the card is not charged a second time, and the event goes out all the same. */
  @messageHandler({ topic: 'payments.process', schema: ProcessPayment, maxRetries: 3, backoff: exponential({ firstMs }) })
  async charge({ order_id, user_id, amount, card_token }: ProcessPayment, { db, logger }: HandlerContext<DatabaseSync>): Promise<void> {
    if (!isPaid(db, order_id)) {
      logger.info('asks the gateway')
      const result = await this.#gateway.charge({ amount, cardToken: card_token, idempotencyKey: `order-${order_id}` })
      if (!result.success) throw new Error(`Payment failed: ${result.reason}`)
      keepPayment(db, order_id, amount)
    }
    emit(PaymentCompleted, { order_id, user_id, amount })
  }
}
