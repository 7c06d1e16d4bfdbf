import type { DatabaseSync } from 'node:sqlite'
import { consumer, emit, type HandlerContext, onEvent } from '@corebus/core'
import { OrderCreated, PaymentCompleted, UserCreated, UserUpdated } from '@two-apis/events'
import { insertWelcomeOrder, keepEmail, markPaid } from '../orders.ts'

/** A message can come twice, and is handled once: the inbox marks it in the transaction of its handler. Events can come in another order than they were published, after a retry. */
@consumer('order-service', { topics: ['user-events', 'payment-events'] })
export class OrderEventsConsumer {
  @onEvent(UserCreated)
  welcome({ data, timestamp }: UserCreated, { db }: HandlerContext<DatabaseSync>): void {
    keepEmail(db, data, timestamp)
    emit(OrderCreated, { id: insertWelcomeOrder(db, data.id), user_id: data.id, total: 0 })
  }

  @onEvent(UserUpdated)
  refreshEmail({ data, timestamp }: UserUpdated, { db }: HandlerContext<DatabaseSync>): void {
    keepEmail(db, data, timestamp)
  }

  @onEvent(PaymentCompleted)
  markPaid({ data }: PaymentCompleted, { db }: HandlerContext<DatabaseSync>): void {
    markPaid(db, data.order_id)
  }
}
