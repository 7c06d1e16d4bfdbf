import { projection } from '@corebus/cqrs'
import {
  OrderCanceled,
  OrderCreated,
  OrderPaid,
  ProductCreated,
  ProductUpdated,
  StockReserved,
  UserCreated,
  UserUpdated,
} from '@ecommerce/contracts'
import { orderCanceled, orderCreated, orderPaid, orders, stockReserved } from './order-view.ts'
import { productCreated, products, productUpdated } from './product-view.ts'
import { userCreated, userKnown, users } from './user-view.ts'

/** The read model: everything that the other services tell, as documents that screens ask for. */
export const shop = projection('shop', {
  group: 'query-service',
  events: [UserCreated, UserUpdated, ProductCreated, ProductUpdated, OrderCreated, StockReserved, OrderPaid, OrderCanceled],
  collections: { orders, users, products },
  async handle(event, { docs, logger, replay, correlationId }) {
    switch (event.name) {
      case 'user.created':
        await userCreated(docs, event.data)
        break
      case 'user.updated':
        await userKnown(docs, event.data)
        break
      case 'product.created':
        await productCreated(docs, event.data)
        break
      case 'product.updated':
        await productUpdated(docs, event.data)
        break
      case 'order.created':
        await orderCreated(docs, event.data, correlationId)
        break
      case 'stock.reserved':
        await stockReserved(docs, event.data)
        break
      case 'order.paid':
        await orderPaid(docs, event.data)
        break
      case 'order.canceled':
        await orderCanceled(docs, event.data)
    }
    if (!replay) logger.debug({ event: event.name }, 'the read model knows it')
  },
})
