import type { DatabaseSync } from 'node:sqlite'
import { consumer, emit, type HandlerContext, onEvent } from '@corebus/core'
import { OrderCreated, PaymentCompleted, UserCreated, UserUpdated } from '@two-apis/events'
import { keepEmail, markPaid, welcomeOrder } from '../orders.ts'

/** A message can come twice (at least once is the promise), so each of these leaves the same rows and events the second time. */
@consumer('order-service', { topics: ['user-events', 'payment-events'] })
export class OrderEventsConsumer {
  @onEvent(UserCreated)
  welcome({ data, timestamp }: UserCreated, { db }: HandlerContext<DatabaseSync>): void {
    keepEmail(db, data, timestamp)
    emit(OrderCreated, { id: welcomeOrder(db, data.id), user_id: data.id, total: 0 })
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
