import { exponential, type HandlerContext, type Messaging, Reject, RetryLater } from '@corebus/core'
import { Charge } from './events.ts'

export type Gateway = (charge: Charge, signal: AbortSignal) => Promise<'charged' | 'declined' | 'busy'>
class CardDeclined extends Error {}

/** Every policy is a group of its own here, so that one message meets all of them. */
export function registerRetries(messaging: Messaging, gateway: Gateway): void {
  // #region fixed
  messaging.handle({ topic: 'payments.process', group: 'fixed', schema: Charge, maxRetries: 3, retryDelayMs: 5_000 }, charge)
  // #endregion fixed

  // #region exponential
  messaging.handle(
    {
      topic: 'payments.process',
      group: 'exponential',
      schema: Charge,
      maxRetries: 5,
      backoff: exponential({ firstMs: 1_000, maxMs: 16_000, jitter: 0.2 }),
    },
    charge,
  )
  // #endregion exponential

  // #region retry-if
  messaging.handle(
    {
      topic: 'payments.process',
      group: 'retry-if',
      schema: Charge,
      retryIf: (error) => !(error instanceof CardDeclined),
    },
    charge,
  )
  // #endregion retry-if

  // #region verdicts
  async function chargeWithVerdicts(payment: Charge, { signal }: HandlerContext): Promise<void> {
    const answer = await gateway(payment, signal)
    if (answer === 'declined') throw new Reject(`the card of order ${payment.order_id} was declined`)
    if (answer === 'busy') throw new RetryLater(30_000)
  }
  // #endregion verdicts
  messaging.handle({ topic: 'payments.process', group: 'verdicts', schema: Charge }, chargeWithVerdicts)

  async function charge(payment: Charge, { signal }: HandlerContext): Promise<void> {
    const answer = await gateway(payment, signal)
    if (answer === 'declined') throw new CardDeclined(`the card of order ${payment.order_id} was declined`)
    if (answer === 'busy') throw new Error('the gateway is busy')
  }
}
