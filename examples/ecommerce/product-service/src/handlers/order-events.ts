import { consumer, onEvent, Reject } from '@corebus/core'
import { OrderCanceled, OrderCreated, OrderPaid } from '@ecommerce/contracts'
import { Contradiction } from '../command/domain/reservation.ts'
import { releaseStock } from '../command/release-stock.ts'
import { reserveStock } from '../command/reserve-stock.ts'
import { sellStock } from '../command/sell-stock.ts'

/**
 * The events of an order travel on a topic each, so they may come in any order. order-service says once what becomes of an order, paid or canceled, and
 * what contradicts that cannot be mended by trying again: it goes to the dead letters, for a person.
 */
@consumer('product-service')
export class OrderEvents {
  @onEvent(OrderCreated)
  async reserve({ data: { id, items } }: OrderCreated): Promise<void> {
    await reserveStock({ orderId: id, items: items.map(({ product_id, quantity }) => ({ productId: product_id, quantity })) })
  }

  @onEvent(OrderPaid)
  async sell({ data: { id } }: OrderPaid): Promise<void> {
    await orReject(sellStock({ orderId: id }))
  }

  /** Its own `out_of_stock` comes here too, and finds the reservation refused. */
  @onEvent(OrderCanceled)
  async release({ data: { id } }: OrderCanceled): Promise<void> {
    await orReject(releaseStock({ orderId: id }))
  }
}

async function orReject(command: Promise<void>): Promise<void> {
  try {
    await command
  } catch (thrown) {
    throw thrown instanceof Contradiction ? new Reject(thrown.message, { cause: thrown }) : thrown
  }
}
