import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createMessaging, type Messaging } from '@corebus/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failAndReplayPayment } from './demo/payment-story.ts'
import { type Stage, stage } from './demo/stage.ts'
import { changeEmail, nothingElse, PASSWORD, placeOrder, register, registerAgain } from './demo/story.ts'
import { bootTwoApis, type TwoApis } from './demo/two-apis.ts'
import { until } from './demo/until.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

const FIRST_RETRY_MS = 250

/** Each test goes on where the one before has ended, as the story does. */
describe('two APIs in four processes', () => {
  let folder: string
  let apis: TwoApis
  let on: Stage
  let userId: number
  let orderId: number
  let refusedRequestId: string
  const told: string[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'two-apis-'))
    const adminToken = randomUUID()
    const env = {
      MESSAGING_BROKER: 'sqlite',
      SQLITE_PATH: join(folder, 'messages.db'),
      USERS_DB: join(folder, 'users.db'),
      ORDERS_DB: join(folder, 'orders.db'),
      ADMIN_TOKEN: adminToken,
      PAYMENT_RETRY_FIRST_MS: String(FIRST_RETRY_MS),
    }
    apis = await bootTwoApis({ env })
    on = stage(apis, { tell: (service, kind, what) => told.push(`${service} ${kind} ${what}`), adminToken, firstRetryMs: FIRST_RETRY_MS })
  })

  afterAll(async () => {
    await apis?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const rows = (file: string, sql: string): readonly object[] => {
    const db = new DatabaseSync(join(folder, file), { readOnly: true, timeout: 5_000 })
    try {
      return db
        .prepare(sql)
        .all()
        .map((row) => ({ ...row }))
    } finally {
      db.close()
    }
  }

  it('a registration makes a welcome order, which is counted on the user and reserved in the inventory', async () => {
    userId = await register(on)
    expect(rows('orders.db', 'SELECT user_id, kind, total, status FROM orders')).toEqual([
      { user_id: userId, kind: 'welcome', total: 0, status: 'open' },
    ])
    expect(rows('users.db', 'SELECT email, orders_count, payments_count FROM users')).toEqual([
      { email: 'ana@example.com', orders_count: 1, payments_count: 0 },
    ])
  })

  it('a second registration of the address answers 409 and leaves no row', async () => {
    refusedRequestId = await registerAgain(on)
    expect(rows('users.db', 'SELECT count(*) AS users FROM users')).toEqual([{ users: 1 }])
  })

  it('a body that does not fit answers 422 with the issues', async () => {
    const answer = await fetch(`${apis.urls.users}/users/register`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify({ email: 'no address', password: 'short' }),
    })
    expect(answer.status).toBe(422)
    expect(await answer.json()).toMatchObject({ issues: [{ path: ['email'] }, { path: ['password'] }] })
  })

  it('a changed address reaches the copy in orders-api', async () => {
    await changeEmail(on, userId)
    expect(rows('orders.db', 'SELECT email FROM customers')).toEqual([{ email: 'ana@new.example.com' }])
  })

  it('an order is counted and reserved', async () => {
    orderId = await placeOrder(on, userId)
    expect(rows('orders.db', 'SELECT order_id, items_count, state FROM inventory ORDER BY order_id')).toEqual([
      { order_id: orderId - 1, items_count: 1, state: 'reserved' },
      { order_id: orderId, items_count: 3, state: 'reserved' },
    ])
  })

  it('an order of somebody who is not known answers 404 and leaves no row', async () => {
    const items = [{ sku: 'tea', quantity: 1, price: 4.5 }]
    const answer = await fetch(`${apis.urls.orders}/orders`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify({ user_id: 999, items }),
    })
    expect(answer.status).toBe(404)
    expect(rows('orders.db', 'SELECT id FROM orders WHERE user_id = 999')).toEqual([])
  })

  it('only an administrator switches the payment gateway', async () => {
    const answer = await fetch(`${apis.urls.orders}/gateway`, { method: 'PUT', body: JSON.stringify({ available: false }) })
    expect(answer.status).toBe(401)
  })

  it('a payment that keeps failing is retried with its delays, becomes a dead letter, and succeeds when that is retried', async () => {
    await failAndReplayPayment(on, userId, orderId)
    expect(rows('orders.db', 'SELECT order_id, amount FROM payments')).toEqual([{ order_id: orderId, amount: 39 }])
    expect(rows('orders.db', `SELECT id FROM orders WHERE status = 'paid'`)).toEqual([{ id: orderId }])
    expect(rows('users.db', 'SELECT orders_count, payments_count FROM users')).toEqual([{ orders_count: 2, payments_count: 1 }])
    expect(told.filter((line) => line.startsWith('orders-api row'))).toHaveLength(6)
  })

  it('a paid order is not charged again', async () => {
    const answer = await fetch(`${apis.urls.orders}/orders/${orderId}/pay`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify({ card_token: 'tok_visa' }),
    })
    expect(answer.status).toBe(409)
  })

  it('nothing was published that should not have been', () => {
    nothingElse(on, refusedRequestId)
  })

  const everything = (): readonly unknown[] => [
    rows('users.db', 'SELECT * FROM users'),
    rows('orders.db', 'SELECT * FROM customers'),
    rows('orders.db', 'SELECT * FROM orders'),
    rows('orders.db', 'SELECT * FROM payments'),
    rows('orders.db', 'SELECT * FROM inventory'),
  ]
  const publishing = async (publish: (messaging: Messaging) => Promise<unknown>): Promise<void> => {
    const messaging = createMessaging({
      broker: 'sqlite',
      url: join(folder, 'messages.db'),
      service: 'again',
      env: { LOG_LEVEL: 'silent' },
    })
    await publish(messaging)
    await messaging.close()
  }

  it('a message that comes twice is skipped the second time', async () => {
    const before = everything()
    const correlationId = 'again'
    const idOf = (event: string): string => {
      const id = apis.happened('published', { event })[0]?.id
      if (id === undefined) throw new Error(`${event} was not published`)
      return id
    }
    await publishing(async (messaging) => {
      const user = { id: userId, email: 'ana@new.example.com' }
      await messaging.publishEvent('user.created', user, { topic: 'user-events', key: userId, id: idOf('user.created'), correlationId })
      const payment = { order_id: orderId, user_id: userId, amount: 39 }
      await messaging.publishEvent('payment.completed', payment, {
        topic: 'payment-events',
        key: orderId,
        id: idOf('payment.completed'),
        correlationId,
      })
    })
    await on.happens('skipped', { group: 'order-service', event: 'user.created', correlationId })
    for (const group of ['user-service', 'order-service']) await on.happens('skipped', { group, event: 'payment.completed', correlationId })
    // The feed has no inbox, and tells the inventory again.
    await on.happens('handled', { group: 'order-feed', event: 'payment.completed', correlationId })
    await on.happens('handled', { group: 'inventory', correlationId })
    expect(everything()).toEqual(before)
  })

  it('a customer who asks twice to pay is charged once, and told of once', async () => {
    const before = everything()
    const correlationId = 'impatient'
    const message = { order_id: orderId, user_id: userId, amount: 39, card_token: 'tok_visa' }
    await publishing((messaging) => messaging.getProducer().send('payments.process', message, { key: orderId, correlationId }))
    await on.happens('handled', { group: 'payments', correlationId })
    const left = async (): Promise<true | undefined> => (rows('orders.db', 'SELECT seq FROM outbox').length === 0 ? true : undefined)
    await until('the outbox is empty', left, { signal: apis.signal })
    expect(apis.happened('published', { event: 'payment.completed', correlationId })).toEqual([])
    expect(everything()).toEqual(before)
  })

  it('all four processes end with exit code 0', async () => {
    expect(await apis.stop()).toEqual([])
  })

  it('the password is nowhere: not in a log line, a message or a row', async () => {
    const found = await readdir(folder, { recursive: true, withFileTypes: true })
    const files = await Promise.all(found.filter((entry) => entry.isFile()).map(({ parentPath, name }) => readFile(join(parentPath, name))))
    expect(files.some((bytes) => bytes.includes('ana@new.example.com'))).toBe(true)
    expect(files.filter((bytes) => bytes.includes(PASSWORD))).toEqual([])
    expect(apis.lines.filter(({ text }) => text.includes(PASSWORD))).toEqual([])
  })
})
