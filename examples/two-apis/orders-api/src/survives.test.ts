import { survives, type TestApp, testApp } from '@corebus/core/testing'
import { OrderCreated, PaymentCompleted, UserCreated, UserUpdated } from '@two-apis/events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PaymentGateway } from './payment-gateway.ts'

process.env.ORDERS_DB = ':memory:'
await import('./consumer.ts')
const { database } = await import('./database.ts')

const ana = { id: 1, email: 'ana@example.com' }
const payment = { order_id: 1, user_id: 1, amount: 39 }
const order = { order_id: 1, user_id: 1, total: 39, items_count: 3, status: 'open' }

/** The rows that the handlers begin with. */
database.exec(`
  INSERT INTO customers VALUES (1, 'ana@old.example.com', '2026-01-01T00:00:00.000Z');
  INSERT INTO orders (id, user_id, total, items_count) VALUES (1, 1, 39, 3);
`)

describe('with the inbox, as the service is configured', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await testApp()
  })
  afterAll(() => app.close())

  test('a new user gets one welcome order, whatever happens', async () => {
    expect(await survives(app, UserCreated, ana)).toEqual([])
  })

  test('the newest address of a customer is kept', async () => {
    expect(await survives(app, UserUpdated, ana, { newer: { ...ana, email: 'ana@new.example.com' } })).toEqual([])
  })

  test('a payment is charged once, kept once and told of once', async () => {
    const message = { ...payment, card_token: 'tok_visa' }
    expect(await survives(app, 'payments.process', message, { outside: { gateway: PaymentGateway } })).toEqual([])
  })

  test('an order that is paid is paid', async () => {
    expect(await survives(app, PaymentCompleted, payment, { group: 'order-service' })).toEqual([])
  })

  test('the feed tells of an order, more than once if need be: who reads it does not mind', async () => {
    expect(await survives(app, OrderCreated, { id: 1, user_id: 1, total: 39 }, { idempotent: ['orders.created'] })).toEqual([])
    expect(await survives(app, PaymentCompleted, payment, { group: 'order-feed', idempotent: ['orders.updated'] })).toEqual([])
  })

  test('the inventory has each order once, and never takes back that it is sold', async () => {
    expect(await survives(app, 'orders.created', order, { newer: { ...order, status: 'paid' } })).toEqual([])
    expect(await survives(app, 'orders.updated', { ...order, status: 'paid' })).toEqual([])
  })
})

describe('without an inbox', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await testApp({ inbox: undefined })
  })
  afterAll(() => app.close())

  test('a new user may get two welcome orders', async () => {
    const findings = await survives(app, UserCreated, ana)
    expect(findings).toContain('delivered twice: orders 3 instead of 2')
    expect(findings).toContain('killed after call 3 of 3 (the commit), delivered again: orders 3 instead of 2')
  })
})
