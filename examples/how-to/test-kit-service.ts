// #region service
import { configureMessaging, defineEvent, emit, on } from '@corebus/core'
import { z } from 'zod'
import { UserCreated } from './events.ts'

export const OrderCreated = defineEvent('order.created', z.object({ user_id: z.number() }), { topic: 'order-events', key: 'user_id' })

export const orders = {
  async add(_userId: number): Promise<void> {
    // a row in a database
  },
}

configureMessaging({ broker: 'kafka', bootstrapServers: 'kafka.internal:9092', service: 'orders-api' })

on(UserCreated, { group: 'orders', maxRetries: 5, retryDelayMs: 30 * 60_000 }, async function welcomeOrder({ data }) {
  await orders.add(data.id)
  emit(OrderCreated, { user_id: data.id })
})
// #endregion service
