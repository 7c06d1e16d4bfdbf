import type { Messaging } from '@corebus/core'
import type { Handler } from './handler.ts'

// #region rabbitmq
export function ordersOfEurope(messaging: Messaging, handler: Handler<{ id: number }>): void {
  messaging.handle({ topic: 'orders-eu', from: { exchange: 'shop.orders', bind: 'order.eu.*' } }, handler)
}

export async function paid(messaging: Messaging, order: { id: number }): Promise<void> {
  await messaging.getProducer().send('orders-sent', order, { exchange: 'shop.orders', routingKey: 'order.eu.paid' })
}
// #endregion rabbitmq

// #region redis
export function fromItsStream(messaging: Messaging, handler: Handler<{ id: string; total: string }>): void {
  messaging.handle({ topic: 'shop-orders', from: { stream: 'shop:orders' } }, handler)
}

/** For createMessaging: what the topic is called on Redis. */
export const names = { 'orders-out': { redis: 'shop:orders:out' } }

export async function toItsStream(messaging: Messaging, { id, total }: { id: number; total: number }): Promise<void> {
  const fields = () => ({ id: String(id), total: String(total) })
  await messaging.getProducer().send('orders-out', { id, total }, { fields })
}
// #endregion redis
