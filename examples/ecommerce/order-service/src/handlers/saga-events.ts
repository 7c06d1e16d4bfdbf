import { consumer, onEvent, Reject } from '@corebus/core'
import { OrderCanceled, StockReserved, UserCreated } from '@ecommerce/contracts'
import { confirmReservation } from '../command/confirm-reservation.ts'
import { Contradiction } from '../command/domain/order.ts'
import { OrderExpiryDue } from '../command/event/order-expiry.ts'
import { expireOrder } from '../command/expire-order.ts'
import { giveUpOrder } from '../command/give-up-order.ts'
import { rememberUser } from '../command/remember-user.ts'

/** The handlers of what others say of an order, and of its own clock. */
@consumer('order-service')
export class SagaEvents {
  @onEvent(UserCreated)
  async remember({ data: { id } }: UserCreated): Promise<void> {
    await rememberUser({ userId: id })
  }

  @onEvent(StockReserved)
  async reserved({ data: { order_id, items, total, reserved_at } }: StockReserved): Promise<void> {
    const prices = new Map(items.map(({ product_id, price }) => [product_id, price]))
    await confirmReservation({ id: order_id, prices, total, at: reserved_at })
  }

  /** Those of this service come here too: they say what its own row says already. */
  @onEvent(OrderCanceled)
  async canceled({ data: { id, reason, canceled_at } }: OrderCanceled): Promise<void> {
    if (reason !== 'out_of_stock') return
    try {
      await giveUpOrder({ id, at: canceled_at })
    } catch (thrown) {
      throw thrown instanceof Contradiction ? new Reject(thrown.message, { cause: thrown }) : thrown
    }
  }

  @onEvent(OrderExpiryDue)
  async expire({ data: { id } }: OrderExpiryDue): Promise<void> {
    await expireOrder({ id })
  }
}
