import type { DatabaseSync } from 'node:sqlite'
import { consumer, emit, exponential, type HandlerContext, messageHandler } from '@corebus/core'
import { PaymentCompleted, ProcessPayment } from '@two-apis/events'
import { database } from '../database.ts'
import { keepPayment } from '../orders.ts'
import { gatewayAvailable, PaymentGateway } from '../payment-gateway.ts'

/** 2, 4 and 8 s; the demo has less time. */
const firstMs = Number(process.env.PAYMENT_RETRY_FIRST_MS ?? 2_000)

/** The stand-in answers at once, unless a slow one is to be tried. */
const answersAfterMs = Number(process.env.GATEWAY_ANSWERS_AFTER_MS ?? 0)

@consumer('payments')
export class Payments {
  readonly #gateway: PaymentGateway

  constructor(gateway = new PaymentGateway({ isAvailable: () => gatewayAvailable(database), answersAfterMs })) {
    this.#gateway = gateway
  }

  /**
   * The gateway may take its time, so it is asked outside of the transaction: whoever else writes does not wait for it. The message may come again,
   * before its commit or after it: the gateway knows the key and charges once.
   *
   * The inbox knows messages, and not orders. A customer who asks again sends another message, so the row says whether the order is paid, and only
   * the first of them tells others.
   */
  @messageHandler({
    topic: 'payments.process',
    schema: ProcessPayment,
    session: 'manual',
    maxRetries: 3,
    backoff: exponential({ firstMs }),
  })
  async charge(
    { order_id, user_id, amount, card_token }: ProcessPayment,
    { session, logger, signal }: HandlerContext<DatabaseSync>,
  ): Promise<void> {
    logger.info('asks the gateway')
    const result = await this.#gateway.charge({ amount, cardToken: card_token, idempotencyKey: `order-${order_id}` }, signal)
    if (!result.success) throw new Error(`Payment failed: ${result.reason}`)
    await session(async (db) => {
      if (keepPayment(db, order_id, amount)) emit(PaymentCompleted, { order_id, user_id, amount })
    })
  }
}
