import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { becomes } from './demo/client.ts'
import { bootSystem, type System } from './demo/system.ts'
import { embedded } from './fixtures/folder.ts'
import { idOf, type Shop, shop } from './fixtures/shop.ts'

describe('an order, by three services and their consumers', () => {
  let system: System
  let remove: () => Promise<void>
  let on: Shop
  let ask: Shop['ask']

  beforeAll(async () => {
    const place = await embedded({ ORDER_EXPIRES_AFTER: '10s' })
    remove = place.remove
    system = await bootSystem({ env: place.env })
    on = shop(system)
    ask = on.ask
  }, 60_000)
  afterAll(async () => {
    await system?.stop()
    await remove?.()
  })

  it("the seed's lines work one after another: a user, a product, an order, and its payment", async () => {
    const userId = idOf(await ask('POST', '/api/v1/users', { name: 'Danilo Silva', email: 'danilo@exemplo.com' }))
    const productId = idOf(await ask('POST', '/api/v1/products', { name: 'Camiseta Básica', price: 59.9, stock: 100 }))
    expect([userId, productId]).toEqual([1, 1])
    const orderId = await on.order(userId, [productId, 2])
    expect(await ask('POST', `/api/v1/orders/${orderId}/pay`)).toMatchObject({ status: 204 })
    expect(await ask('GET', `/api/v1/orders/${orderId}`)).toMatchObject({
      body: { id: 1, user_id: 1, status: 'PAID', reason: null, total: 119.8, items: [{ product_id: 1, quantity: 2, price: 59.9 }] },
    })
    expect((await ask('GET', '/api/v1/products/1')).body).toMatchObject({ stock: 98 })
  })

  it('an order that is canceled gives its items back', async () => {
    const [userId, productId] = [await on.user(), await on.product(5)]
    const orderId = await on.order(userId, [productId, 3])
    await becomes(ask, `/api/v1/orders/${orderId}`, { status: 'RESERVED' })
    expect((await ask('GET', `/api/v1/products/${productId}`)).body).toMatchObject({ stock: 2 })
    expect(await ask('POST', `/api/v1/orders/${orderId}/cancel`)).toMatchObject({ status: 204 })
    await becomes(ask, `/api/v1/products/${productId}`, { stock: 5 })
    expect((await ask('GET', `/api/v1/orders/${orderId}`)).body).toMatchObject({ status: 'CANCELED', reason: 'user' })
  })

  it('of several items all are reserved or none, and the order is canceled: out_of_stock', async () => {
    const userId = await on.user()
    const [enough, few] = [await on.product(10), await on.product(1)]
    const orderId = await on.order(userId, [enough, 1], [few, 2])
    await becomes(ask, `/api/v1/orders/${orderId}`, { status: 'CANCELED', reason: 'out_of_stock' })
    for (const [id, stock] of [
      [enough, 10],
      [few, 1],
    ])
      expect((await ask('GET', `/api/v1/products/${id}`)).body).toMatchObject({ stock })
    expect(await ask('POST', `/api/v1/orders/${orderId}/pay`)).toMatchObject({ status: 409, body: { error: { code: 'already_canceled' } } })
  })

  it('an order for a product that does not exist is canceled: out_of_stock', async () => {
    const orderId = await on.order(await on.user(), [9_999, 1])
    await becomes(ask, `/api/v1/orders/${orderId}`, { status: 'CANCELED', reason: 'out_of_stock' })
  })

  it('an order that is not paid in time is canceled, and gives its items back', async () => {
    const [userId, productId] = [await on.user(), await on.product(2)]
    const orderId = await on.order(userId, [productId, 2])
    await becomes(ask, `/api/v1/orders/${orderId}`, { status: 'RESERVED' })
    await becomes(ask, `/api/v1/orders/${orderId}`, { status: 'CANCELED', reason: 'expired' })
    await becomes(ask, `/api/v1/products/${productId}`, { stock: 2 })
  })
})
