import { survives, type TestApp, testApp } from '@corebus/core/testing'
import { OrderCreated, PaymentCompleted } from '@two-apis/events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

process.env.USERS_DB = ':memory:'
await import('./consumer.ts')
const { database } = await import('./database.ts')

const order = { id: 1, user_id: 1, total: 39 }
const payment = { order_id: 1, user_id: 1, amount: 39 }

/** The row that the handlers begin with. */
database.exec("INSERT INTO users (id, email, password) VALUES (1, 'ana@example.com', '')")

describe('with the inbox, as the service is configured', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await testApp()
  })
  afterAll(() => app.close())

  test('an order and a payment are counted once', async () => {
    expect(await survives(app, OrderCreated, order)).toEqual([])
    expect(await survives(app, PaymentCompleted, payment)).toEqual([])
  })
})

describe('without an inbox', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await testApp({ inbox: undefined })
  })
  afterAll(() => app.close())

  test('an order and a payment may be counted twice', async () => {
    expect(await survives(app, OrderCreated, order)).toContain('delivered twice: users.orders_count 2 instead of 1')
    expect(await survives(app, PaymentCompleted, payment)).toContain('delivered twice: users.payments_count 2 instead of 1')
  })
})
