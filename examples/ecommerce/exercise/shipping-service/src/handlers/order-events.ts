import { consumer, onEvent } from '@corebus/core'
import { OrderPaid } from '@ecommerce/contracts'
import { prepareShipment } from '../command/prepare-shipment.ts'

@consumer('shipping-service')
export class OrderEvents {
  @onEvent(OrderPaid)
  async prepare({ data: { id, paid_at } }: OrderPaid): Promise<void> {
    await prepareShipment({ orderId: id, at: paid_at })
  }
}
