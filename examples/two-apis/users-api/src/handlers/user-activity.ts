import type { DatabaseSync } from 'node:sqlite'
import { consumer, type HandlerContext, onEvent } from '@corebus/core'
import { OrderCreated, PaymentCompleted } from '@two-apis/events'
import { countOnce } from '../users.ts'

/** What our users do elsewhere. A message can come twice (at least once is the promise), so everything is counted by its order. */
@consumer('user-service', { topics: ['order-events', 'payment-events'] })
export class UserActivityConsumer {
  @onEvent(OrderCreated)
  countOrder({ data }: OrderCreated, { db }: HandlerContext<DatabaseSync>): void {
    countOnce(db, 'order', data.id, data.user_id)
  }

  @onEvent(PaymentCompleted)
  countPayment({ data }: PaymentCompleted, { db }: HandlerContext<DatabaseSync>): void {
    countOnce(db, 'payment', data.order_id, data.user_id)
  }
}
