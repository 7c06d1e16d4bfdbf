import { createMessaging, type Messaging, type MessagingOptions, replayDeadLetters } from '@corebus/core'
import { Charge } from './events.ts'

// #region list
export async function listFailedPayments(messaging: Messaging): Promise<readonly string[]> {
  const { admin } = await messaging.driver()
  const { letters } = await admin.deadLetters({ topic: 'payments.process', group: 'payments' }, { limit: 20 })
  return letters.map(({ message: { id, headers }, at }) => {
    const { 'corebus-reason': reason, 'corebus-attempt': attempts, 'corebus-error': error } = headers
    return `${new Date(at).toISOString()} ${id} ${reason} after ${attempts} calls: ${error}`
  })
}
// #endregion list

// #region pages
export async function countByError(messaging: Messaging): Promise<ReadonlyMap<string, number>> {
  const { admin } = await messaging.driver()
  const counts = new Map<string, number>()
  for (let after: string | undefined; ; ) {
    const { letters, next } = await admin.deadLetters({ group: 'payments' }, { limit: 500, ...(after && { after }) })
    for (const { message } of letters) {
      const error = message.headers['corebus-error'] ?? 'unknown'
      counts.set(error, (counts.get(error) ?? 0) + 1)
    }
    if (next === undefined) return counts
    after = next
  }
}
// #endregion pages

// #region retry
export async function retryFailedPayments(messaging: Messaging, ids?: readonly string[]): Promise<number> {
  const { admin } = await messaging.driver()
  return replayDeadLetters(admin, { topic: 'payments.process', group: 'payments', ...(ids && { ids }) }, { perSecond: 10 })
}
// #endregion retry

// #region told
export function pagingService(page: (text: string) => Promise<void>, options: MessagingOptions = {}): Messaging {
  return createMessaging({
    ...options,
    onDeadLetter: ({ topic, group, id, reason, error }) => page(`${group} gave up on ${id} of ${topic} (${reason}): ${error.message}`),
  })
}
// #endregion told

// #region others
export function besideTheShop(messaging: Messaging, charge: (payment: Charge) => Promise<void>): void {
  // RabbitMQ: the exchange that their queue has as x-dead-letter-exchange. A letter goes there by its message's own routing key.
  const deadLetter = { to: { exchange: 'shop.dlx' } }
  messaging.handle({ topic: 'billing', group: 'billing', from: { queue: 'shop.billing' }, schema: Charge, deadLetter }, charge)
}
// #endregion others
