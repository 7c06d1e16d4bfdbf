import { defineEvent, type EventOf, emit } from '@corebus/core'
import { Id } from '@ecommerce/contracts'
import { z } from 'zod'
import { expiresAfterMs } from '../../database.ts'
import { messaging } from '../../messaging.ts'
import type { Order } from '../domain/order.ts'

/** The event that this service sends to itself: it is no contract with others. */
export const OrderExpiryDue = defineEvent('order.expiry-due', z.object({ id: Id }), { topic: 'order.expiry-due', key: 'id' })
export type OrderExpiryDue = EventOf<typeof OrderExpiryDue>

const idOf = (orderId: number): string => `order-expiry-${orderId}`

/** Stays in the outbox, in the order's transaction, until its time has come. */
export function expiryBegins({ state: { id } }: Order): void {
  emit(OrderExpiryDue, { id }, { delayMs: expiresAfterMs, id: idOf(id) })
}

/** The order is paid or canceled. An expiry that is on its way already finds that. */
export async function expiryEnds({ state: { id } }: Order): Promise<void> {
  await messaging.cancel(idOf(id))
}
