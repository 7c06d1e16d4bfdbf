import '@ecommerce/platform/in-memory'
import { survives, type TestApp, testApp } from '@corebus/core/testing'
import { OrderCanceled, OrderCreated, OrderPaid, ProductUpdated, StockReserved } from '@ecommerce/contracts'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import '../consumer.ts'
import { createProduct } from '../command/create-product.ts'
import type { ReservationStatus } from '../command/domain/reservation.ts'
import { database, nextId } from '../database.ts'
import { findProduct } from '../query/products.ts'

const at = '2026-01-01T00:00:00.000Z'
let orders = 0

async function productOf(stock: number): Promise<number> {
  const id = await nextId()
  await createProduct({ id, name: 'Notebook Dell', price: 350_000, stock })
  return id
}
const created = (id: number, ...items: readonly (readonly [productId: number, quantity: number])[]) => ({
  ...{ id, user_id: 1, created_at: at },
  items: items.map(([product_id, quantity]) => ({ product_id, quantity })),
})
const paid = (id: number) => ({ id, user_id: 1, total: 350_000, paid_at: at })
const canceled = (id: number) => ({ id, reason: 'user' as const, canceled_at: at })

/** An order of one piece, with the stock of two reserved for it or what came then. */
async function order(app: TestApp, became: ReservationStatus = 'reserved'): Promise<{ id: number; productId: number }> {
  const [id, productId] = [++orders, await productOf(2)]
  await app.publish(OrderCreated, created(id, [productId, 1]))
  await app.settled()
  if (became === 'sold') await app.publish(OrderPaid, paid(id))
  if (became === 'released') await app.publish(OrderCanceled, canceled(id))
  await app.settled()
  return { id, productId }
}
const stockOf = async (productId: number) => (await findProduct(productId))?.stock
async function statusOf(orderId: number): Promise<ReservationStatus | undefined> {
  const row = await database.read.selectFrom('reservations').select('status').where('order_id', '=', orderId).executeTakeFirst()
  return row?.status
}

describe('product-service', () => {
  test('reserves an order, at the prices of now', async () => {
    await using app = await testApp()
    const { id, productId } = await order(app)
    const items = [{ product_id: productId, name: 'Notebook Dell', price: 350_000, quantity: 1 }]
    expect(app.published(StockReserved)).toMatchObject([{ key: String(id), data: { order_id: id, items, total: 350_000 } }])
    expect(app.published(ProductUpdated)).toMatchObject([{ data: { id: productId, stock: 1, version: 2 } }])
    expect(await stockOf(productId)).toBe(1)
  })

  test('reserves nothing of an order of which one item is missing, and hears its own cancellation without harm', async () => {
    await using app = await testApp()
    const [id, enough, few] = [++orders, await productOf(10), await productOf(1)]
    await app.publish(OrderCreated, created(id, [enough, 1], [few, 2]))
    await app.settled()
    expect(app.published(OrderCanceled)).toMatchObject([{ data: { id, reason: 'out_of_stock' } }])
    expect(app.published(StockReserved)).toEqual([])
    expect([await stockOf(enough), await stockOf(few), await statusOf(id)]).toEqual([10, 1, 'refused'])
    expect(app.handled(OrderCanceled)).toHaveLength(1)
  })

  test('sells what is reserved once the order is paid', async () => {
    await using app = await testApp()
    const { id, productId } = await order(app, 'sold')
    expect([await statusOf(id), await stockOf(productId)]).toEqual(['sold', 1])
  })

  test('puts back what is reserved once the order is canceled', async () => {
    await using app = await testApp()
    const { id, productId } = await order(app, 'released')
    expect([await statusOf(id), await stockOf(productId)]).toEqual(['released', 2])
    expect(app.published(ProductUpdated).map(({ data }) => data.stock)).toEqual([1, 2])
  })

  test('gives a payment of what is released to the dead letters, and a cancellation of what is sold, without trying again', async () => {
    await using app = await testApp()
    const [released, sold] = [await order(app, 'released'), await order(app, 'sold')]
    await app.publish(OrderPaid, paid(released.id))
    await app.publish(OrderCanceled, canceled(sold.id))
    await app.settled()
    expect(app.deadLetters(OrderPaid)).toMatchObject([{ data: { id: released.id }, reason: 'rejected', attempts: 1 }])
    expect(app.deadLetters(OrderCanceled)).toMatchObject([{ data: { id: sold.id }, reason: 'rejected', attempts: 1 }])
    expect([await statusOf(released.id), await statusOf(sold.id)]).toEqual(['released', 'sold'])
  })
})

/** The inbox knows a message that comes twice. Its handlers do well without it too: somebody may publish an event again, under another id. */
describe.each([
  ['with the inbox', {}],
  ['without the inbox', { inbox: undefined }],
])('handlers of product-service are safe to repeat, %s:', (_, options) => {
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

  test('an order is reserved once', async () => {
    expect(await survives(app, OrderCreated, created(++orders, [await productOf(5), 2]))).toEqual([])
  })

  test('an order that runs out of stock is refused once', async () => {
    expect(await survives(app, OrderCreated, created(++orders, [await productOf(1), 2]))).toEqual([])
  })

  test('a payment sells once', async () => {
    expect(await survives(app, OrderPaid, paid((await order(app)).id))).toEqual([])
  })

  test('a cancellation puts back once', async () => {
    expect(await survives(app, OrderCanceled, canceled((await order(app)).id))).toEqual([])
  })

  test('a cancellation of an order that is not here yet keeps it from being reserved', async () => {
    expect(await survives(app, OrderCanceled, canceled(++orders))).toEqual([])
  })
})
