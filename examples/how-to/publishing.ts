import type { Messaging } from '@corebus/core'
import { OrderShipped } from './events.ts'

// #region confirmed
export async function ship(messaging: Messaging, orderId: number): Promise<{ status: 200 | 503 }> {
  try {
    await messaging.publishEvent(OrderShipped, { order_id: orderId, at: new Date() }, { id: `shipped-${orderId}` })
    return { status: 200 }
  } catch (error) {
    messaging.logger.warn({ err: error }, 'not confirmed: the caller may try again, the id stays the same')
    return { status: 503 }
  }
}
// #endregion confirmed

// #region recorded
export function shipAndForget(messaging: Messaging, orderId: number): void {
  messaging.emit(OrderShipped, { order_id: orderId, at: new Date() })
}
// #endregion recorded
