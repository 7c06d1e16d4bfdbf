import { randomUUID } from 'node:crypto'
import { createMessaging, type EventType, type Messaging } from '@corebus/core'
import { OrderCanceled, OrderCreated, OrderPaid, StockReserved } from '@ecommerce/contracts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { happeningOf } from '../two-apis/demo/log-line.ts'
import { becomes } from './demo/client.ts'
import { booted, PATIENCE_MS } from './fixtures/booted.ts'
import { reservationOf } from './fixtures/rows.ts'

const LIMIT = { timeout: 2 * PATIENCE_MS }
const now = (): string => new Date().toISOString()

/** Events with ids of their own, as somebody's mistake would publish them: no inbox knows them, so the states have to. */
describe('events that come twice, late, or against each other', () => {
  const system = booted()
  let messaging: Messaging
  let unknown = 1_000

  beforeAll(() => {
    messaging = createMessaging({
      broker: 'sqlite',
      url: system().env.SQLITE_PATH ?? '',
      service: 'somebody',
      env: { LOG_LEVEL: 'silent' },
    })
  })
  afterAll(() => messaging?.close())

  /** Publishes it, and says what the group has made of it: `handled`, or `dead letter`. */
  async function told<Data>(group: string, type: EventType<string, Data>, data: Data): Promise<unknown> {
    const correlationId = randomUUID()
    await messaging.publishEvent(type, data, { correlationId })
    const outcome = (): unknown => {
      const logs = system().system.lines.flatMap(({ log }) => (log?.correlationId === correlationId && log.group === group ? [log] : []))
      return logs.map(happeningOf).find((happening) => happening === 'handled' || happening === 'dead letter')
    }
    await expect.poll(outcome, { timeout: PATIENCE_MS }).toBeDefined()
    return outcome()
  }
  const product = async (stock: number) => {
    const id = await system().on.product(stock)
    return { id, is: (left: number) => becomes(system().on.ask, `/api/v1/products/${id}`, { stock: left }, PATIENCE_MS) }
  }
  const order = async (productId: number, quantity: number) => {
    const { on } = system()
    const id = await on.order(await on.user(), [productId, quantity])
    await becomes(on.ask, `/api/v1/orders/${id}`, { status: 'RESERVED' }, PATIENCE_MS)
    return id
  }

  it('an order that is canceled before product-service hears of it reserves nothing when it comes', LIMIT, async () => {
    const [id, goods] = [++unknown, await product(5)]
    expect(await told('product-service', OrderCanceled, { id, reason: 'user', canceled_at: now() })).toBe('handled')
    const created = { id, user_id: 1, items: [{ product_id: goods.id, quantity: 2 }], created_at: now() }
    expect(await told('product-service', OrderCreated, created)).toBe('handled')
    await goods.is(5)
    expect(reservationOf(system().folder, id)).toBe('released')
  })

  it('an order that is told of twice is reserved once', LIMIT, async () => {
    const goods = await product(5)
    const id = await order(goods.id, 2)
    const again = { id, user_id: 1, items: [{ product_id: goods.id, quantity: 2 }], created_at: now() }
    expect(await told('product-service', OrderCreated, again)).toBe('handled')
    await goods.is(3)
  })

  it(
    'a payment that is told of twice sells once; a cancellation behind it goes to the dead letters, and nothing comes back',
    LIMIT,
    async () => {
      const goods = await product(5)
      const id = await order(goods.id, 2)
      expect(await system().on.ask('POST', `/api/v1/orders/${id}/pay`)).toMatchObject({ status: 204 })
      const paid = { id, user_id: 1, total: 7_000, paid_at: now() }
      expect(await told('product-service', OrderPaid, paid)).toBe('handled')
      expect(await told('product-service', OrderPaid, paid)).toBe('handled')
      expect(await told('product-service', OrderCanceled, { id, reason: 'user', canceled_at: now() })).toBe('dead letter')
      expect(reservationOf(system().folder, id)).toBe('sold')
      await goods.is(3)
    },
  )

  it(
    'a cancellation that is told of twice gives back once; a payment behind it goes to the dead letters, and nothing is sold',
    LIMIT,
    async () => {
      const goods = await product(5)
      const id = await order(goods.id, 2)
      expect(await system().on.ask('POST', `/api/v1/orders/${id}/cancel`)).toMatchObject({ status: 204 })
      const canceled = { id, reason: 'user' as const, canceled_at: now() }
      expect(await told('product-service', OrderCanceled, canceled)).toBe('handled')
      expect(await told('product-service', OrderCanceled, canceled)).toBe('handled')
      expect(await told('product-service', OrderPaid, { id, user_id: 1, total: 7_000, paid_at: now() })).toBe('dead letter')
      expect(reservationOf(system().folder, id)).toBe('released')
      await goods.is(5)
    },
  )

  it(
    'a reservation behind a cancellation brings the prices and changes nothing else; out_of_stock is the reason that stays',
    LIMIT,
    async () => {
      const goods = await product(0)
      const { on } = system()
      const id = await on.order(await on.user(), [goods.id, 1])
      const path = `/api/v1/orders/${id}`
      await becomes(on.ask, path, { status: 'CANCELED', reason: 'out_of_stock' }, PATIENCE_MS)
      const before = (await on.ask('GET', path)).body
      const items = [{ product_id: goods.id, name: 'Notebook Dell', price: 5_990, quantity: 1 }]
      expect(await told('order-service', StockReserved, { order_id: id, items, total: 5_990, reserved_at: now() })).toBe('handled')
      expect(await told('order-service', OrderCanceled, { id, reason: 'user', canceled_at: now() })).toBe('handled')
      const priced = before.items.map((item: object) => ({ ...item, price: 59.9 }))
      expect((await on.ask('GET', path)).body).toEqual({ ...before, total: 59.9, items: priced })
    },
  )

  it('an order that is reserved is not out of stock: that goes to the dead letters', LIMIT, async () => {
    const goods = await product(1)
    const id = await order(goods.id, 1)
    expect(await told('order-service', OrderCanceled, { id, reason: 'out_of_stock', canceled_at: now() })).toBe('dead letter')
    expect((await system().on.ask('GET', `/api/v1/orders/${id}`)).body).toMatchObject({ status: 'RESERVED', reason: null })
  })
})
