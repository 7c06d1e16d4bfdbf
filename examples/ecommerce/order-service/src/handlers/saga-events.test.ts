import '@ecommerce/platform/in-memory'
import { survives, type TestApp, testApp } from '@corebus/core/testing'
import { OrderCanceled, OrderCreated, OrderPaid, type OrderStatus, StockReserved, UserCreated } from '@ecommerce/contracts'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import '../consumer.ts'
import { cancelOrder } from '../command/cancel-order.ts'
import { OrderExpiryDue } from '../command/event/order-expiry.ts'
import { payOrder } from '../command/pay-order.ts'
import { placeOrder } from '../command/place-order.ts'
import { rememberUser } from '../command/remember-user.ts'
import { isCustomer } from '../command/repository/customers.ts'
import { expiresAfterMs, nextId } from '../database.ts'
import { findOrder } from '../query/orders.ts'

const at = '2026-01-01T00:00:00.000Z'
const ana = (id: number) => ({ id, name: 'Ana', email: 'ana@exemplo.com', version: 1, created_at: at })
const reserved = (id: number) => {
  const items = [{ product_id: 1, name: 'Notebook Dell', price: 350_000, quantity: 2 }]
  return { order_id: id, items, total: 700_000, reserved_at: at }
}
const outOfStock = (id: number) => ({ id, reason: 'out_of_stock' as const, canceled_at: at })

/** An order of two pieces, as far as it has come. */
async function order(app: TestApp, status: OrderStatus = 'PENDING'): Promise<number> {
  await rememberUser({ userId: 1 })
  const id = await nextId()
  await placeOrder({ id, userId: 1, items: [{ productId: 1, quantity: 2 }] })
  if (status === 'RESERVED' || status === 'PAID') await app.publish(StockReserved, reserved(id))
  await app.settled()
  if (status === 'PAID') await payOrder({ id })
  if (status === 'CANCELED') await cancelOrder({ id })
  await app.settled()
  return id
}

/** Other orders of this file may expire meanwhile: their rows stay from app to app. */
const canceledOf = (app: TestApp, orderId: number) => app.published(OrderCanceled).filter(({ data }) => data.id === orderId)

describe('order-service', () => {
  test('knows a user who was created', async () => {
    await using app = await testApp()
    expect(await isCustomer(7)).toBe(false)
    await app.publish(UserCreated, ana(7))
    await app.settled()
    expect(await isCustomer(7)).toBe(true)
  })

  test('tells of an order that is placed, and takes its prices from the reservation', async () => {
    await using app = await testApp()
    const id = await order(app, 'RESERVED')
    expect(app.published(OrderCreated)).toMatchObject([{ key: String(id), data: { id, items: [{ product_id: 1, quantity: 2 }] } }])
    expect(await findOrder(id)).toMatchObject({ status: 'RESERVED', total: 7_000, items: [{ price: 3_500 }] })
  })

  test('cancels an order that nobody pays in time, and not a moment before', async () => {
    await using app = await testApp()
    const id = await order(app, 'RESERVED')
    await app.advance(expiresAfterMs - 1_000)
    expect(await findOrder(id)).toMatchObject({ status: 'RESERVED' })
    await app.advance(1_000)
    expect(canceledOf(app, id)).toMatchObject([{ data: { id, reason: 'expired' } }])
    expect(await findOrder(id)).toMatchObject({ status: 'CANCELED', reason: 'expired' })
  })

  test.each(['PAID', 'CANCELED'] as const)('takes the expiry back of an order that is %s', async (status) => {
    await using app = await testApp()
    const id = await order(app, status)
    await app.advance(2 * expiresAfterMs)
    expect(app.published(OrderExpiryDue).filter(({ key }) => key === String(id))).toEqual([])
    expect(app.published(OrderPaid)).toHaveLength(status === 'PAID' ? 1 : 0)
    expect(canceledOf(app, id)).toHaveLength(status === 'PAID' ? 0 : 1)
    expect(await findOrder(id)).toMatchObject({ status })
  })

  test.each(['PAID', 'CANCELED'] as const)(
    'an expiry that was on its way already changes nothing of an order that is %s',
    async (status) => {
      await using app = await testApp()
      const id = await order(app, status)
      const before = await findOrder(id)
      await app.publish(OrderExpiryDue, { id })
      await app.settled()
      expect(app.handled(OrderExpiryDue)).toHaveLength(1)
      expect(await findOrder(id)).toEqual(before)
      expect(canceledOf(app, id)).toHaveLength(status === 'PAID' ? 0 : 1)
    },
  )

  test('gives up an order that product-service could not reserve, and has nothing to add', async () => {
    await using app = await testApp()
    const id = await order(app)
    await app.publish(OrderCanceled, outOfStock(id))
    await app.settled()
    expect(await findOrder(id)).toMatchObject({ status: 'CANCELED', reason: 'out_of_stock' })
    await app.advance(2 * expiresAfterMs)
    expect(canceledOf(app, id)).toHaveLength(1)
  })

  test('gives out_of_stock of what is reserved to the dead letters, without trying again', async () => {
    await using app = await testApp()
    const id = await order(app, 'RESERVED')
    await app.publish(OrderCanceled, outOfStock(id))
    await app.settled()
    expect(app.deadLetters()).toMatchObject([{ event: 'order.canceled', reason: 'rejected', attempts: 1 }])
    expect(await findOrder(id)).toMatchObject({ status: 'RESERVED' })
  })
})

/** The inbox knows a message that comes twice. Its handlers do well without it too: somebody may publish an event again, under another id. */
describe.each([
  ['with the inbox', {}],
  ['without the inbox', { inbox: undefined }],
])('handlers of order-service are safe to repeat, %s:', (_, options) => {
  let app: TestApp
  beforeAll(async () => {
    // The time of rows and events is the same in every history.
    vi.useFakeTimers({ toFake: ['Date'] })
    app = await testApp(options)
  })
  afterAll(async () => {
    await app.close()
    vi.useRealTimers()
  })

  test('a user is remembered once', async () => {
    expect(await survives(app, UserCreated, ana(8))).toEqual([])
  })

  test('an order is reserved once', async () => {
    expect(await survives(app, StockReserved, reserved(await order(app)))).toEqual([])
  })

  test('a reservation of what is canceled changes nothing but the prices', async () => {
    expect(await survives(app, StockReserved, reserved(await order(app, 'CANCELED')))).toEqual([])
  })

  test('an order runs out of stock once', async () => {
    expect(await survives(app, OrderCanceled, outOfStock(await order(app)))).toEqual([])
  })

  test('an order expires once, and others hear of it once', async () => {
    expect(await survives(app, OrderExpiryDue, { id: await order(app, 'RESERVED') })).toEqual([])
  })
})
