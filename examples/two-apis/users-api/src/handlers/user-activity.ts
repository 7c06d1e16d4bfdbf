import type { DatabaseSync } from 'node:sqlite'
import { consumer, type HandlerContext, onEvent } from '@corebus/core'
import { OrderCreated, PaymentCompleted } from '@two-apis/events'
import { countOrder, countPayment } from '../users.ts'

// #region count
/** What our users do elsewhere. A message can come twice, and is counted once: the inbox marks it in the transaction that counts. */
@consumer('user-service', { topics: ['order-events', 'payment-events'] })
export class UserActivityConsumer {
  @onEvent(OrderCreated)
  countOrder({ data }: OrderCreated, { db }: HandlerContext<DatabaseSync>): void {
    countOrder(db, data.user_id)
  }

  @onEvent(PaymentCompleted)
  countPayment({ data }: PaymentCompleted, { db }: HandlerContext<DatabaseSync>): void {
    countPayment(db, data.user_id)
  }
}
// #endregion count
