import { createMessaging, defineEvent, type Envelope, type Messaging } from '@corebus/core'
import { nestPackets, ownEvents } from '@corebus/core/envelopes'
import { z } from 'zod'

export const Order = z.object({ id: z.number(), total: z.number() })

// #region ready
export const OrderPlaced = defineEvent('order.placed', Order, { topic: 'shop', ...nestPackets })
export const OrderShipped = defineEvent('order.shipped', z.object({ id: z.number() }), { topic: 'shop', ...nestPackets })

export function billing(messaging: Messaging, seen: string[]): void {
  messaging.on(OrderPlaced, { group: 'billing' }, ({ data }) => {
    seen.push(`bill ${data.total} for order ${data.id}`)
  })
  messaging.on(OrderShipped, { group: 'billing', maxRetries: 3 }, ({ data }) => {
    seen.push(`order ${data.id} has left`)
  })
}
// #endregion ready

// #region own
/** The event's name and id in headers, its data alone in the body. */
export const namedInHeaders: Envelope = {
  in: ({ header, json }) => {
    const name = header('x-event')
    return name === undefined ? undefined : { name, data: json(), id: header('x-event-id') }
  },
  out: ({ name, data, id }) => ({ body: data, headers: { 'x-event': name, 'x-event-id': id } }),
}
// #endregion own

// #region topics
export const configured = (): Messaging =>
  createMessaging({
    service: 'billing',
    ...namedInHeaders, // every topic of which nothing else is said
    topology: {
      topics: {
        'billing-events': ownEvents, // as ours are, and what others publish there is skipped
      },
    },
  })
// #endregion topics

// #region sources
export function fromOthers(messaging: Messaging, seen: unknown[]): void {
  // RabbitMQ: their queue, as one more consumer of it. The topic only names our retries and dead letters.
  messaging.handle({ topic: 'billing', group: 'billing', from: { queue: 'shop.billing' }, schema: Order }, (order) => void seen.push(order))
  // RabbitMQ: a queue of ours on their exchange.
  const orders = { exchange: 'shop.orders', bind: ['order.eu.*', 'order.us.*'] }
  messaging.handle({ topic: 'orders', group: 'billing', from: orders, schema: Order }, (order) => void seen.push(order))
}
// #endregion sources

// #region redis
export function fromStream(messaging: Messaging, seen: unknown[]): void {
  // Redis: a stream by its key, from now on.
  const from = { stream: 'shop:orders', start: 'latest' } as const
  messaging.handle({ topic: 'orders', group: 'billing', from }, (fields) => void seen.push(fields))
}
// #endregion redis

// #region targets
export async function toOthers({ getProducer }: Messaging): Promise<void> {
  // RabbitMQ: their exchange, with a routing key, and what AMQP has beside headers.
  const properties = { type: 'order.placed', replyTo: 'shop.answers', correlationId: 'order-1' }
  await getProducer().send('orders', { id: 1, total: 9.5 }, { exchange: 'shop.orders', routingKey: 'order.eu.placed', properties })
  // Redis: the fields that their readers look for.
  await getProducer().send('orders', { id: 1, total: 9.5 }, { fields: ({ id, body }) => ({ uuid: id, payload: body }) })
}
// #endregion targets

// #region names
export const named = (): Messaging =>
  createMessaging({ service: 'billing', names: { orders: { redis: 'shop:orders', rabbitmq: 'Contracts:SubmitOrder' } } })
// #endregion names
